from tracklearn.patches.index import write_index
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            write_index(
                stores=snakemake.input.stores,
                manifests=snakemake.input.manifests,
                index=snakemake.output.index,
                frame=snakemake.params.frame,
            )
        )
