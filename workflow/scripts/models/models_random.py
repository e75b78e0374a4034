from tracklearn.networks.initial import random_network
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            random_network(
                network=snakemake.params.network,
                seed=snakemake.params.seed,
                weights=snakemake.output.weights,
                conv1=snakemake.output.conv1,
            )
        )
