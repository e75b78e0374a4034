from tracklearn.runs import recorded
from tracklearn.tables.table2 import table2_table

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            table2_table(
                rows=snakemake.params.rows,
                cells=snakemake.input.cells,
                bootstraps=snakemake.input.bootstraps,
                external=snakemake.input.external,
                protocol=snakemake.params.protocol,
                figure8=snakemake.params.figure8,
                versions=run.versions(snakemake.input.cells),
                table=snakemake.output.table,
                markdown=snakemake.output.markdown,
                page=snakemake.output.page,
            )
        )
