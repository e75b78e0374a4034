from tracklearn.patches.packing import import_pairs
from tracklearn.runs import stage

if __name__ == "__main__":
    with stage(snakemake) as run:
        run.metrics(
            import_pairs(
                folder=snakemake.params.folder,
                pairs_list=snakemake.input.list,
                shard=int(snakemake.wildcards.shard),
                pairs_per_shard=snakemake.params.pairs_per_shard,
                store=snakemake.output.store,
                summary=snakemake.output.summary,
                sheet=snakemake.output.sheet,
                **snakemake.params.patches,
                report=run.report,
            )
        )
