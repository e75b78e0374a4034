from tracklearn.retrieval.figure7 import figure7
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            figure7(
                **snakemake.params.devkit,
                nearest=list(zip(snakemake.params.methods, snakemake.input.nearest, strict=True)),
                image=snakemake.wildcards.get("image"),
                place=snakemake.wildcards.get("object"),
                figure7=snakemake.params.figure7,
                page=snakemake.output.page,
            )
        )
