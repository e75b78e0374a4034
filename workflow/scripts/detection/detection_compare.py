from tracklearn.detection.compare import write_comparison
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            write_comparison(
                **snakemake.params.devkit,
                image_set=snakemake.params.image_set,
                rows=[snakemake.wildcards.row, snakemake.wildcards.against],
                labels=snakemake.params.labels,
                detections=snakemake.input.detections,
                cells=[snakemake.input.cells, snakemake.input.cells_against],
                bootstraps=snakemake.input.bootstraps,
                protocol=snakemake.params.protocol,
                page=snakemake.output.page,
            )
        )
