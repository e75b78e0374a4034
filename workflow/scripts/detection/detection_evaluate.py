from tracklearn.detection.average_precision import evaluate_row
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            evaluate_row(
                **snakemake.params.devkit,
                image_set=snakemake.params.image_set,
                row=snakemake.wildcards.row,
                detections=snakemake.input.detections,
                svms=snakemake.input.svms,
                cells=snakemake.output.cells,
                replicates=snakemake.output.bootstrap,
                draws=snakemake.params.bootstrap,
                runs=[run.key, *run.lineage(snakemake.input)],
            )
        )
