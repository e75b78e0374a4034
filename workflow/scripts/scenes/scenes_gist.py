from tracklearn.runs import recorded
from tracklearn.scenes.by_gist import gist_accuracy

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            gist_accuracy(
                settings=snakemake.params.scenes,
                cell=snakemake.output.cell,
                replicates=snakemake.output.replicates,
                confusion=snakemake.output.confusion,
                runs=[run.key, *run.lineage(snakemake.input)],
                threads=snakemake.threads,
                report=run.report,
            )
        )
