from tracklearn.detection.average_precision import score, write_in_one_cell
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            write_in_one_cell(
                score(
                    **snakemake.params.devkit,
                    image_set=snakemake.params.image_set,
                    detections=snakemake.input.detections,
                    svms=snakemake.input.svms,
                    draws=snakemake.params.bootstrap,
                ),
                cell=snakemake.output.cell,
                replicates=snakemake.output.bootstrap,
                runs=[run.key, *run.lineage(snakemake.input)],
            )
        )
