from tracklearn.detection.submission import write_submission
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            write_submission(
                **snakemake.params.devkit,
                image_set=snakemake.params.image_set,
                detections=snakemake.input.detections,
                external=snakemake.params.external,
                archive=snakemake.output.archive,
            )
        )
