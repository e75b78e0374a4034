from tracklearn.detection.svm import train_svms
from tracklearn.runs import stage

if __name__ == "__main__":
    with stage(snakemake) as run:
        run.metrics(
            train_svms(
                **snakemake.params.voc,
                features=snakemake.input.features,
                models=snakemake.params.models,
                **snakemake.params.svm,
                out=snakemake.output.svms,
                threads=snakemake.threads,
                report=run.report,
            )
        )
