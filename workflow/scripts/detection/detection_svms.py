from tracklearn.detection.svm import train_svms
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            train_svms(
                **snakemake.params.devkit,
                features=snakemake.input.features,
                models=len(snakemake.params.models),
                svm=snakemake.params.svm,
                out=snakemake.output.svms,
                threads=snakemake.threads,
                report=run.report,
            )
        )
