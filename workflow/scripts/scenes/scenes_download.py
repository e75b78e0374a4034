from tracklearn.runs import recorded
from tracklearn.scenes.download import fetch_indoor67

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            fetch_indoor67(
                root=snakemake.params.root,
                stamp=snakemake.output.stamp,
                threads=snakemake.threads,
                report=run.report,
            )
        )
