from tracklearn.runs import recorded
from tracklearn.settings.videos import Download
from tracklearn.videos.download import download_shard

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            download_shard(
                videos=snakemake.params.videos,
                directory=snakemake.params.directory,
                manifest=snakemake.output.manifest,
                limits={key: snakemake.config["videos"][key] for key in Download.model_fields},
                threads=snakemake.threads,
                report=run.report,
            )
        )
