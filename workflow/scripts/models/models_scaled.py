from tracklearn.networks.scaled import scaled_network
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            scaled_network(
                stores=snakemake.input.stores,
                network=snakemake.params.network,
                seed=snakemake.params.seed,
                weights=snakemake.output.weights,
                conv1=snakemake.output.conv1,
            )
        )
