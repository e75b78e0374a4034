from tracklearn.retrieval.precision import precision_at_k
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            precision_at_k(
                **snakemake.params.devkit,
                query_features=snakemake.input.queries,
                database_features=snakemake.input.database,
                k=snakemake.params.k,
                out=snakemake.output.cell,
                report=run.report,
            )
        )
