from tracklearn.patches.overview import pairs_page
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            pairs_page(
                stores=snakemake.input.stores,
                summaries=snakemake.input.summaries,
                manifests=snakemake.input.manifests,
                frames_tables=snakemake.input.frames,
                page=snakemake.output.page,
            )
        )
