from tracklearn.detection.average_precision import evaluate_in_one_cell
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            evaluate_in_one_cell(
                **snakemake.params.devkit,
                image_set=snakemake.params.image_set,
                detections=snakemake.input.detections,
                svms=snakemake.input.svms,
                cell=snakemake.output.cell,
                replicates=snakemake.output.bootstrap,
                draws=snakemake.params.bootstrap,
                runs=[run.key, *run.lineage(snakemake.input)],
            )
        )
