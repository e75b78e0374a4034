# Videos: the list, cut into shards, and the download of each shard.
#
# inputs   config videos.list: a TSV of video_id and source (YouTube id, URL or local path)
# outputs  results/videos/{shard}.tsv: one row a video with its status, reason, size and checksum
# steps    plan the shards of the append-only list, download and probe every video of a shard
import json
import os

from tracklearn.files import atomic
from tracklearn.videos.lists import ledger_of, plan_shards, read_list

LEDGER = Path("results/videos/shards.json")


def planned_shards():
    """Shards of the video list; those cut by an earlier run keep their boundaries."""
    if config["patches"]["import"]:
        return {}
    listed = Path(config["videos"]["list"])
    if not listed.exists():
        stop(f"{listed}: no list of videos; make one: python -m tracklearn.videos.lists --help")
    try:
        ledger = json.loads(LEDGER.read_text()) if LEDGER.exists() else []
        return plan_shards(read_list(listed), ledger, config["videos"]["shard_size"])
    except UserError as error:
        stop(error)


SHARDS = planned_shards()


def record_shards():
    """Keep the boundaries, so that videos appended to the list start a new shard."""
    with atomic(LEDGER) as temporary:
        temporary.write_text(json.dumps(ledger_of(SHARDS)))


rule videos_download:
    output:
        manifest="results/videos/{shard}.tsv",
    params:
        videos=lambda wildcards: [[video.video_id, video.source] for video in SHARDS[wildcards.shard]],
        directory=f"{config['videos']['directory']}/{{shard}}",
        limits={key: config["videos"][key] for key in ("max_height", "max_duration", "timeout", "retries")},
        code=code("videos/videos_download.py"),
    log:
        "results/logs/videos_download/{shard}.log",
    threads: config["threads"]["download"]
    message:
        "Shard {wildcards.shard}: download or probe its videos"
    script:
        "../scripts/videos/videos_download.py"
