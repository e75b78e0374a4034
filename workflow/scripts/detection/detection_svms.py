from tracklearn.detection.svm import train_svms
from tracklearn.features.extraction import open_features
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            train_svms(
                **snakemake.params.devkit,
                source=open_features(
                    **snakemake.params.devkit,
                    **snakemake.params.features,
                    stored=snakemake.input.stored,
                    weights=snakemake.input.weights,
                    proposals=snakemake.input.proposals,
                    processes=snakemake.config["features"]["processes"],
                    threads=snakemake.threads,
                ),
                svm=snakemake.params.svm,
                out=snakemake.output.svms,
                threads=snakemake.threads,
                report=run.report,
            )
        )
