from tracklearn.runs import recorded
from tracklearn.videos.download import download_shard

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            download_shard(
                videos=snakemake.params.videos,
                directory=snakemake.params.directory,
                manifest=snakemake.output.manifest,
                limits=snakemake.params.limits
                | {key: snakemake.config["videos"][key] for key in ("timeout", "retries")},  # not parameters
                threads=snakemake.threads,
                report=run.report,
            )
        )
