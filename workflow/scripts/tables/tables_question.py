from tracklearn.runs import recorded
from tracklearn.tables.questions import question_table

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            question_table(
                question=snakemake.params.question,
                cells=snakemake.input.cells,
                bootstraps=snakemake.input.bootstraps,
                logs=snakemake.input.logs,
                detections=snakemake.input.detections,
                detection_bootstraps=snakemake.input.detection_bootstraps,
                versions=run.versions(snakemake.input),
                markdown=snakemake.output.markdown,
                table=snakemake.output.table,
            )
        )
