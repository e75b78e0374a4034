from tracklearn.detection.average_precision import score, write_row
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            write_row(
                score(
                    **snakemake.params.devkit,
                    image_set=snakemake.params.image_set,
                    detections=snakemake.input.detections,
                    svms=snakemake.input.svms,
                    draws=snakemake.params.bootstrap,
                ),
                row=snakemake.wildcards.row,
                cells=snakemake.output.cells,
                replicates=snakemake.output.bootstrap,
                runs=[run.key, *run.lineage(snakemake.input)],
            )
        )
