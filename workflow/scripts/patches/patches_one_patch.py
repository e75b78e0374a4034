from tracklearn.patches.controls import pack_one_patch
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            pack_one_patch(
                tracked=snakemake.input.tracked,
                store=snakemake.output.store,
                summary=snakemake.output.summary,
                packing=snakemake.params.packing,
            )
        )
