from tracklearn.runs import recorded
from tracklearn.videos.summary import summarize_crawl

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            summarize_crawl(
                listed=snakemake.params.listed,
                manifests="results/videos",
                summaries="results/patches",
                page=snakemake.output.page,
                numbers=snakemake.output.numbers,
            )
        )
