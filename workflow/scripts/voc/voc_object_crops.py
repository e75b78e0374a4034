from tracklearn.runs import recorded
from tracklearn.voc.object_crops import crop_objects

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            crop_objects(
                **snakemake.params.devkit,
                image_set=snakemake.wildcards.set,
                folder=snakemake.output.folder,
            )
        )
