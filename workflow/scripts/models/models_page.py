from tracklearn.runs import recorded
from tracklearn.training.page import models_page

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            models_page(
                models=snakemake.params.models,
                logs=snakemake.input.logs,
                filters=snakemake.input.filters,
                protocol=snakemake.wildcards.protocol,
                page=snakemake.output.page,
            )
        )
