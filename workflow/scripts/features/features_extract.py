from tracklearn.features.extraction import extract_features, open_features
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            extract_features(
                source=open_features(
                    **snakemake.params.devkit,
                    **snakemake.params.features,
                    weights=snakemake.input.weights,
                    proposals=snakemake.input.proposals,
                    processes=snakemake.config["features"]["processes"],
                    threads=snakemake.threads,
                ),
                out=snakemake.output.features,
                report=run.report,
            )
        )
