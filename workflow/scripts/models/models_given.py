from tracklearn.networks.given import given_network
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            given_network(
                given=snakemake.params.given,
                network=snakemake.params.network,
                weights=snakemake.output.weights,
                conv1=snakemake.output.conv1,
                report=run.report,
            )
        )
