from tracklearn.runs import recorded
from tracklearn.tables.evidence_normals import evidence_normals_table

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            evidence_normals_table(
                evidence=snakemake.params.evidence,
                cells=snakemake.input.cells,
                bootstraps=snakemake.input.bootstraps,
                versions=run.versions(snakemake.input),
                markdown=snakemake.output.markdown,
                table=snakemake.output.table,
            )
        )
