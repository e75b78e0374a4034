from tracklearn.runs import recorded
from tracklearn.tables.page import table1_page

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            table1_page(
                table=snakemake.input.table,
                differences=snakemake.input.differences,
                sheets=snakemake.input.sheets,
                summaries=snakemake.input.summaries,
                protocol=snakemake.params.protocol,
                section6=snakemake.params.section6,
                table2=snakemake.params.table2,
                rows_with_pages=snakemake.params.rows_with_pages,
                compared=snakemake.params.compared,
                versions=run.versions([snakemake.input.table]),
                page=snakemake.output.page,
            )
        )
