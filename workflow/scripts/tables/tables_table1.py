from tracklearn.runs import recorded
from tracklearn.tables.table1 import table1

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            table1(
                rows=snakemake.params.rows,
                classes=snakemake.params.classes,
                cells=snakemake.input.cells,
                external=snakemake.input.external,
                bootstraps=snakemake.input.bootstraps,
                comparisons=snakemake.params.comparisons,
                protocol=snakemake.params.protocol,
                of_voc=snakemake.params.of_voc,
                versions=run.versions(snakemake.input.cells),
                table=snakemake.output.table,
                markdown=snakemake.output.markdown,
                differences=snakemake.output.differences,
            )
        )
