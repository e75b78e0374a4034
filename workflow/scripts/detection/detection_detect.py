from tracklearn.detection.detect import detect
from tracklearn.features.extraction import open_features
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            detect(
                source=open_features(
                    **snakemake.params.devkit,
                    **snakemake.params.features,
                    stored=snakemake.input.stored,
                    weights=snakemake.input.weights,
                    proposals=snakemake.input.proposals,
                    processes=snakemake.config["features"]["processes"],
                    threads=snakemake.threads,
                ),
                svms=snakemake.input.svms,
                settings=snakemake.params.settings,
                out=snakemake.output.detections,
                threads=snakemake.threads,
                report=run.report,
            )
        )
