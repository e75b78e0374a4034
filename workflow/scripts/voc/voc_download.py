from tracklearn.runs import recorded
from tracklearn.voc.download import fetch_voc

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            fetch_voc(
                root=snakemake.params.root,
                year=snakemake.params.year,
                image_sets=snakemake.params.image_sets,
                stamp=snakemake.output.stamp,
                report=run.report,
            )
        )
