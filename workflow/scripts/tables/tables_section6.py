from tracklearn.runs import recorded
from tracklearn.tables.section6 import section6_table

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            section6_table(
                rows=snakemake.params.rows,
                cells=snakemake.input.cells,
                bootstraps=snakemake.input.bootstraps,
                external=snakemake.input.external,
                protocol=snakemake.params.protocol,
                papers_data=snakemake.params.papers_data,
                ridge=snakemake.params.ridge,
                figure7=snakemake.params.figure7,
                versions=run.versions(snakemake.input.cells),
                table=snakemake.output.table,
                markdown=snakemake.output.markdown,
                page=snakemake.output.page,
            )
        )
