from tracklearn.normals.train import train_normals
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            train_normals(
                truth=snakemake.input.truth,
                codebook=snakemake.input.codebook,
                settings=snakemake.params.settings,
                parent=snakemake.input.get("parent") or None,
                frozen=snakemake.params.frozen,
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
