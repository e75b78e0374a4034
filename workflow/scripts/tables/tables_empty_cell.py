from tracklearn.runs import recorded
from tracklearn.tables.cells import write_empty_cell

if __name__ == "__main__":
    with recorded(snakemake) as run:
        write_empty_cell(snakemake.output.cell, reason=snakemake.params.reason, runs=[run.key])
