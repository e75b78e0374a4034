from tracklearn.ranking.train import train_ranking
from tracklearn.runs import recorded
from tracklearn.training.launch import launch

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            launch(
                train_ranking,
                processes=snakemake.config["gpus_per_training"],  # not a parameter: several compute what one does
                stores=snakemake.input.stores,
                patches=snakemake.params.patches,
                inner=snakemake.params.inner,
                strict=snakemake.params.strict,
                parent=snakemake.input.get("parent") or None,
                loss=snakemake.params.loss,
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
