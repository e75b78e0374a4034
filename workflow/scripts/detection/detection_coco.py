from tracklearn.detection.coco import write_results
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(write_results(detections=snakemake.input.detections, out=snakemake.output.results))
