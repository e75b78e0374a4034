from tracklearn.runs import recorded
from tracklearn.tables.evidence import evidence_table

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            evidence_table(
                evidence=snakemake.params.evidence,
                means=snakemake.input.means,
                bootstraps=snakemake.input.bootstraps,
                retrieval=snakemake.input.retrieval,
                retrieval_bootstraps=snakemake.input.retrieval_bootstraps,
                versions=run.versions(snakemake.input),
                markdown=snakemake.output.markdown,
                table=snakemake.output.table,
            )
        )
