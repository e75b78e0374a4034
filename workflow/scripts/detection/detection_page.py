from tracklearn.detection.page import write_pages
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            write_pages(
                **snakemake.params.devkit,
                image_set=snakemake.params.image_set,
                detections=snakemake.input.detections,
                cells=snakemake.input.cells,
                row=snakemake.wildcards.row,
                label=snakemake.params.label,
                protocol=snakemake.params.protocol,
                page=snakemake.output.page,
                class_pages=snakemake.output.class_pages,
            )
        )
