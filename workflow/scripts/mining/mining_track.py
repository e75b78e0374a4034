from tracklearn.mining.tracking.kcf import track_shard
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            track_shard(
                manifest=snakemake.input.manifest,
                frames_table=snakemake.input.frames,
                tracks_table=snakemake.output.tracks,
                box=snakemake.params.box,
                frame=snakemake.params.frame,
                tracking=snakemake.params.tracking,
                resample_fps=snakemake.params.resample_fps,
                timeout=snakemake.config["mining"]["timeout"],
                threads=snakemake.threads,
                report=run.report,
            )
        )
