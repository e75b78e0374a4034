from tracklearn.mining.filtering import filter_shard
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            filter_shard(
                manifest=snakemake.input.manifest,
                frames_table=snakemake.output.frames,
                frame=snakemake.params.frame,
                filtering=snakemake.params.filtering,
                resample_fps=snakemake.params.resample_fps,
                timeout=snakemake.config["mining"]["timeout"],
                threads=snakemake.threads,
                report=run.report,
            )
        )
