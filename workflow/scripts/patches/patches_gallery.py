from tracklearn.patches.gallery import patches_gallery
from tracklearn.runs import stage

if __name__ == "__main__":
    with stage(snakemake) as run:
        run.metrics(
            patches_gallery(
                manifest=snakemake.input.manifest,
                frames_table=snakemake.input.frames,
                tracks_table=snakemake.input.tracks,
                store=snakemake.input.store,
                summary=snakemake.input.summary,
                page=snakemake.output.page,
                **snakemake.params.frame,
                **snakemake.params.filter,
                resample_fps=snakemake.params.resample_fps,
                timeout=snakemake.config["mining"]["timeout"],
            )
        )
