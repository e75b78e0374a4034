from tracklearn.runs import recorded
from tracklearn.settings.videos import Download
from tracklearn.videos.download import retry_shard

if __name__ == "__main__":
    with recorded(snakemake) as run, run.changing(snakemake.params.manifest):
        run.metrics(
            retry_shard(
                videos=snakemake.params.videos,
                manifest=snakemake.params.manifest,
                directory=snakemake.params.directory,
                limits={key: snakemake.config["videos"][key] for key in Download.model_fields},
                threads=snakemake.threads,
                report=run.report,
            )
        )
