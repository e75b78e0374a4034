from tracklearn.detection.detect import detect
from tracklearn.runs import stage

if __name__ == "__main__":
    with stage(snakemake) as run:
        run.metrics(
            detect(
                features=snakemake.input.features,
                models=snakemake.params.models,
                svms=snakemake.input.svms,
                **snakemake.params.detect,
                out=snakemake.output.detections,
                threads=snakemake.threads,
                report=run.report,
            )
        )
