from tracklearn.runs import recorded
from tracklearn.supervised.train import train_imagenet

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            train_imagenet(
                folder=snakemake.params.folder,
                parent=snakemake.input.get("parent") or None,
                network=snakemake.params.network,
                schedule=snakemake.params.schedule,
                saving=snakemake.config["saving"],  # not a parameter: how often to save changes no result
                seed=snakemake.params.seed,
                weights=snakemake.output.weights,
                log=snakemake.output.log,
                conv1=snakemake.output.conv1,
                checkpoints=run.checkpoints,
                threads=snakemake.threads,
                report=run.report,
            )
        )
