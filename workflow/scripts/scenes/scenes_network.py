from tracklearn.runs import recorded
from tracklearn.scenes.by_network import network_accuracy

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            network_accuracy(
                settings=snakemake.params.scenes,
                weights=snakemake.input.weights,
                cell=snakemake.output.cell,
                replicates=snakemake.output.replicates,
                confusion=snakemake.output.confusion,
                precision=snakemake.params.precision,
                runs=[run.key, *run.lineage(snakemake.input)],
                threads=snakemake.threads,
                report=run.report,
            )
        )
