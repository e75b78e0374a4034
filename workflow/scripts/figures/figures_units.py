from tracklearn.features.extraction import open_features
from tracklearn.figures.drawing import Outputs
from tracklearn.figures.units import units_figure
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            units_figure(
                **snakemake.params.devkit,
                **snakemake.params.chosen,
                source=open_features(
                    **snakemake.params.devkit,
                    **snakemake.params.features,
                    weights=snakemake.input.weights,
                    proposals=snakemake.input.proposals,
                    processes=snakemake.config["features"]["processes"],
                    threads=snakemake.threads,
                ),
                weights=snakemake.input.weights[0],
                model=snakemake.params.model,
                outputs=Outputs(**snakemake.output),
                report=run.report,
            )
        )
