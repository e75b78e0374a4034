from tracklearn.detection.external import write_external_texts
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(write_external_texts(rows=snakemake.params.rows, out=snakemake.output.texts))
