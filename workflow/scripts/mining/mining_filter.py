from tracklearn.mining.filtering import filter_shard
from tracklearn.runs import stage

if __name__ == "__main__":
    with stage(snakemake) as run:
        run.metrics(
            filter_shard(
                manifest=snakemake.input.manifest,
                frames_table=snakemake.output.frames,
                **snakemake.params.frame,
                **snakemake.params.filter,
                resample_fps=snakemake.params.resample_fps,
                timeout=snakemake.config["mining"]["timeout"],
                threads=snakemake.threads,
                report=run.report,
            )
        )
