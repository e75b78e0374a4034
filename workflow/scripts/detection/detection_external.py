from tracklearn.detection.external import external_cell
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            external_cell(
                row=snakemake.wildcards.row,
                label=snakemake.params.label,
                **snakemake.params.data,
                cell=snakemake.output.cell,
                runs=[run.key, *run.lineage(snakemake.input)],
            )
        )
