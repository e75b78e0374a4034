from tracklearn.runs import stage
from tracklearn.voc.object_crops import crop_objects

if __name__ == "__main__":
    with stage(snakemake) as run:
        run.metrics(
            crop_objects(
                **snakemake.params.voc,
                image_set=snakemake.params.image_set,
                folder=snakemake.output.folder,
            )
        )
