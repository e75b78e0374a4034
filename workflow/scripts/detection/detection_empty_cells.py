from tracklearn.runs import recorded
from tracklearn.tables.cells import write_empty_row

if __name__ == "__main__":
    with recorded(snakemake) as run:
        write_empty_row(
            row=snakemake.wildcards.row,
            classes=snakemake.params.classes,
            reason=snakemake.params.reason,
            cells=snakemake.output.cells,
            replicates=snakemake.output.bootstrap,
            runs=[run.key],
        )
