from tracklearn.figures.drawing import Outputs
from tracklearn.figures.filters import conv1_figure
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            conv1_figure(
                weights=dict(zip(snakemake.params.models, snakemake.input.weights, strict=True)),
                notes=snakemake.params.notes,
                outputs=Outputs(**snakemake.output),
            )
        )
