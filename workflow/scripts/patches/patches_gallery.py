from tracklearn.patches.gallery import mining_gallery
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            mining_gallery(
                manifest=snakemake.input.manifest,
                frames_table=snakemake.input.frames,
                tracks_table=snakemake.input.tracks,
                store=snakemake.input.store,
                summary=snakemake.input.summary,
                page=snakemake.output.page,
                frame=snakemake.params.frame,
                filtering=snakemake.params.filtering,
                resample_fps=snakemake.params.resample_fps,
                timeout=snakemake.config["mining"]["timeout"],
            )
        )
