from tracklearn.normals.download import fetch_nyuv2
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(fetch_nyuv2(snakemake.params.folder, stamp=snakemake.output.stamp, report=run.report))
