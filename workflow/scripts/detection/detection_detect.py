from tracklearn.detection.detect import detect
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            detect(
                features=snakemake.input.features,
                models=len(snakemake.params.models),
                svms=snakemake.input.svms,
                settings=snakemake.params.settings,
                out=snakemake.output.detections,
                threads=snakemake.threads,
                report=run.report,
            )
        )
