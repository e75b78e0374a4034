from tracklearn.runs import recorded
from tracklearn.tables.frozen import frozen_table

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            frozen_table(
                rows=snakemake.params.rows,
                columns=snakemake.params.columns,
                cells=snakemake.input.cells,
                bootstraps=snakemake.input.bootstraps,
                external=snakemake.input.external,
                protocol=snakemake.params.protocol,
                versions=run.versions(snakemake.input.cells),
                table=snakemake.output.table,
                markdown=snakemake.output.markdown,
                page=snakemake.output.page,
            )
        )
