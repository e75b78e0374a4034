from tracklearn.detection.submission import server_cells
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            server_cells(
                row=snakemake.wildcards.row,
                classes=snakemake.params.classes,
                scores=snakemake.input.get("scores") or None,
                archive=snakemake.input.archive,
                cells=snakemake.output.cells,
                replicates=snakemake.output.bootstrap,
                runs=[run.key, *run.lineage(snakemake.input)],
            )
        )
