from tracklearn.features.extraction import open_features
from tracklearn.retrieval.precision import precision_at_k
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        settings = {
            **snakemake.params.devkit,
            **snakemake.params.features,
            "weights": snakemake.input.weights,
            "processes": snakemake.config["features"]["processes"],
            "threads": snakemake.threads,
        }
        run.metrics(
            precision_at_k(
                **snakemake.params.devkit,
                queries=open_features(**settings, image_set=snakemake.params.image_set),
                database=open_features(**settings, proposals=snakemake.input.proposals),
                k=snakemake.params.k,
                draws=snakemake.params.bootstrap,
                **dict(snakemake.output.items()),
                runs=[run.key, *run.lineage(snakemake.input)],
                report=run.report,
            )
        )
