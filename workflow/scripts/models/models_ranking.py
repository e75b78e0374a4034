from tracklearn.ranking.train import train_ranking
from tracklearn.runs import stage
from tracklearn.training.launch import launch

if __name__ == "__main__":
    with stage(snakemake) as run:
        run.metrics(
            launch(
                train_ranking,
                # Not a param: as many processes as there are compute what one does.
                processes=snakemake.config["gpus_per_training"],
                stores=snakemake.input.stores,
                patches=snakemake.params.patches,
                parent=snakemake.input.get("parent") or None,
                network=snakemake.params.network,
                loss=snakemake.params.loss,
                schedule=snakemake.params.schedule,
                # Not a param, which would train the model again: how often to save changes no result.
                saving=snakemake.config["saving"],
                seed=snakemake.params.seed,
                weights=snakemake.output.weights,
                log=snakemake.output.log,
                conv1=snakemake.output.conv1,
                checkpoints=run.checkpoints,
                threads=snakemake.threads,
                report=run.report,
            )
        )
