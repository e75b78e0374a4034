from tracklearn.patches.packing import pack_shard
from tracklearn.runs import stage

if __name__ == "__main__":
    with stage(snakemake) as run:
        run.metrics(
            pack_shard(
                manifest=snakemake.input.manifest,
                tracks_table=snakemake.input.tracks,
                store=snakemake.output.store,
                summary=snakemake.output.summary,
                sheet=snakemake.output.sheet,
                **snakemake.params.frame,
                **snakemake.params.patches,
                timeout=snakemake.config["mining"]["timeout"],
                threads=snakemake.threads,
                report=run.report,
            )
        )
