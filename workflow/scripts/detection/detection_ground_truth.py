from tracklearn.detection.coco import write_ground_truth
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            write_ground_truth(
                **snakemake.params.devkit,
                image_set=snakemake.params.image_set,
                out=snakemake.output.annotations,
            )
        )
