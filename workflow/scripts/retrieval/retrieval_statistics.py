from tracklearn.retrieval.statistics import hog_statistics
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            hog_statistics(
                **snakemake.params.devkit,
                image_set=snakemake.params.image_set,
                **snakemake.params.templates,
                out=snakemake.output.statistics,
                threads=snakemake.threads,
                report=run.report,
            )
        )
