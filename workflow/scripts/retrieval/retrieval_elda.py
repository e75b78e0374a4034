from tracklearn.retrieval.elda import elda_precision
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            elda_precision(
                **snakemake.params.devkit,
                image_set=snakemake.params.image_set,
                proposals=snakemake.input.proposals,
                statistics=snakemake.input.statistics,
                elda=snakemake.params.elda,
                k=snakemake.params.k,
                draws=snakemake.params.bootstrap,
                threads=snakemake.threads,
                **dict(snakemake.output.items()),
                runs=[run.key, *run.lineage(snakemake.input)],
                report=run.report,
            )
        )
