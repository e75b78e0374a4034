from tracklearn.patches.controls import pack_any_frame
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            pack_any_frame(
                manifest=snakemake.input.manifest,
                tracks_table=snakemake.input.tracks,
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
