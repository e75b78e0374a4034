from tracklearn.normals.true_normals import write_truth
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            write_truth(
                nyuv2=snakemake.params.nyuv2,
                out=snakemake.output.truth,
                settings=snakemake.params.settings,
                report=run.report,
            )
        )
