from tracklearn.features.extraction import extract_features
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            extract_features(
                **snakemake.params.devkit,
                proposals=snakemake.input.proposals,
                weights=snakemake.input.weights,
                layer=snakemake.wildcards.layer,
                with_ground_truth=snakemake.params.annotated,
                out=snakemake.output.features,
                threads=snakemake.threads,
                report=run.report,
            )
        )
