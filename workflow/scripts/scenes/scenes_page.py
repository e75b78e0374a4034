from tracklearn.runs import recorded
from tracklearn.scenes.page import scenes_page

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            scenes_page(
                confusions=snakemake.input.confusions,
                protocol=snakemake.wildcards.protocol,
                page=snakemake.output.page,
            )
        )
