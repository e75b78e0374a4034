from tracklearn.figures.page import figures_page
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            figures_page(
                pngs=snakemake.input.pngs,
                svgs=snakemake.input.svgs,
                descriptions=snakemake.input.descriptions,
                left_out=snakemake.params.left_out,
                pages=snakemake.params.pages,
                protocol=snakemake.params.protocol,
                page=snakemake.output.page,
            )
        )
