from tracklearn.patches.published import import_pairs
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            import_pairs(
                folder=snakemake.params.folder,
                pairs_list=snakemake.params.list,
                shard=int(snakemake.wildcards.shard),
                pairs_per_shard=snakemake.params.pairs_per_shard,
                store=snakemake.output.store,
                summary=snakemake.output.summary,
                packing=snakemake.params.packing,
                report=run.report,
            )
        )
