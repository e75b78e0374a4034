from tracklearn.detection.object_crops import crop_objects
from tracklearn.stage import stage

if __name__ == "__main__":
    with stage(snakemake) as run:
        run.metrics(
            crop_objects(
                **snakemake.params.voc,
                image_set=snakemake.params.image_set,
                folder=snakemake.output.folder,
            )
        )
