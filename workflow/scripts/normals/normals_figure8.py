from tracklearn.figures.drawing import Outputs
from tracklearn.normals.figure8 import normals_figure
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            normals_figure(
                nyuv2=snakemake.params.nyuv2,
                split=snakemake.params.split,
                truth=snakemake.input.truth,
                codebook=snakemake.input.codebook,
                labels=snakemake.params.labels,
                weights=snakemake.input.weights,
                count=snakemake.params.number,
                seed=snakemake.params.seed,
                decoding=snakemake.params.decoding,
                protocol=snakemake.params.protocol,
                outputs=Outputs(snakemake.output.png, snakemake.output.svg, snakemake.output.description),
                page=snakemake.output.page,
                notes=snakemake.params.notes,
            )
        )
