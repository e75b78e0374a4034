from tracklearn.detection.finetune import finetune_voc
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            finetune_voc(
                **snakemake.params.devkit,
                image_set=snakemake.params.image_set,
                proposals=snakemake.input.proposals,
                parent=snakemake.input.get("parent") or None,
                transfer=snakemake.params.transfer,
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
