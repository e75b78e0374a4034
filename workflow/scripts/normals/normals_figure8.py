from tracklearn.figures.drawing import Outputs
from tracklearn.normals.figure8 import normals_figure
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            normals_figure(
                truth=snakemake.input.truth,
                codebook=snakemake.input.codebook,
                labels=snakemake.params.labels,
                weights=snakemake.input.weights,
                settings=snakemake.params.settings,
                precision=snakemake.params.precision,
                count=snakemake.params.number,
                seed=snakemake.params.seed,
                protocol=snakemake.params.protocol,
                outputs=Outputs(snakemake.output.png, snakemake.output.svg, snakemake.output.description),
                page=snakemake.output.page,
                notes=snakemake.params.notes,
            )
        )
