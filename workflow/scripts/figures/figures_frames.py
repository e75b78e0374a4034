from tracklearn.figures.drawing import Outputs
from tracklearn.figures.frames import frames_figure
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            frames_figure(
                manifests=snakemake.input.manifests,
                frames_tables=snakemake.input.frames,
                count=snakemake.params.number,
                seed=snakemake.params.seed,
                outputs=Outputs(**snakemake.output),
                frame=snakemake.params.frame,
                filtering=snakemake.params.filtering,
                resample_fps=snakemake.params.resample_fps,
                timeout=snakemake.config["mining"]["timeout"],
            )
        )
