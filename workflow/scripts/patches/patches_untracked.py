from tracklearn.patches.controls import pack_untracked
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            pack_untracked(
                kind=snakemake.wildcards.kind,
                manifest=snakemake.input.manifest,
                frames_table=snakemake.input.frames,
                tracked=snakemake.input.tracked,
                store=snakemake.output.store,
                summary=snakemake.output.summary,
                frame=snakemake.params.frame,
                packing=snakemake.params.packing,
                timeout=snakemake.config["mining"]["timeout"],
                threads=snakemake.threads,
                report=run.report,
            )
        )
