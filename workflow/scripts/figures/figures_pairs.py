from tracklearn.figures.drawing import Outputs
from tracklearn.figures.pairs import pairs_figure
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            pairs_figure(
                stores=snakemake.input.stores,
                count=snakemake.params.number,
                seed=snakemake.params.seed,
                outputs=Outputs(**snakemake.output),
            )
        )
