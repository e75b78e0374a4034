# Videos: the list is cut into shards, and the videos of each shard are downloaded.
#
# inputs   config videos.list: a TSV of video_id and source (YouTube id, URL or local path)
# outputs  results/videos/{shard}.tsv: one row for every video with its status, reason, size and checksum
#          results/videos/summary.html, .json: what became of all videos so far, and what is still to come
# steps    download and probe every video of a shard; try unreachable videos again; sum up the crawl

# Priority of the rules that the longest chain of jobs begins with: from videos to patches and ranking nets, which are
# fine-tuned, ranked and fine-tuned again.
LONGEST_CHAIN = 10


rule videos_download:
    output:
        manifest="results/videos/{shard}.tsv",
    log:
        "results/logs/videos_download/{shard}.log",
    priority: LONGEST_CHAIN
    threads: config["threads"]["download"]
    resources:
        downloads=1,
    params:
        videos=lambda wildcards: plan.mining.sources(wildcards.shard),
        local_videos_digest=lambda wildcards: plan.mining.local_videos_digest(wildcards.shard),
        directory=f"{config['videos']['directory']}/{{shard}}",
        limits={key: config["videos"][key] for key in ("max_height", "max_duration")},
        code=code("videos/videos_download.py"),
    message:
        "Shard {wildcards.shard}: download or probe the videos"
    script:
        "../scripts/videos/videos_download.py"


# It replaces rows of a manifest in place, so the manifest is neither its input nor its output. The target
# `retry_unreachable` deletes its outputs when all shards are done, so that it can be asked for again.
rule videos_retry:
    output:
        touch("results/videos/retried/{shard}"),
    log:
        "results/logs/videos_retry/{shard}.log",
    threads: config["threads"]["download"]
    resources:
        downloads=1,
    params:
        videos=lambda wildcards: plan.mining.sources(wildcards.shard),
        manifest="results/videos/{shard}.tsv",
        directory=f"{config['videos']['directory']}/{{shard}}",
        limits={key: config["videos"][key] for key in ("max_height", "max_duration")},
        code=code("videos/videos_retry.py"),
    message:
        "Shard {wildcards.shard}: try the unreachable videos again"
    script:
        "../scripts/videos/videos_retry.py"


# The page can be asked for between two runs, or with --nolock during one: without it Snakemake removes the lock of the
# crawl when it ends. The page shows what is there, and is written again when there is more.
rule videos_summary:
    output:
        page="results/videos/summary.html",
        numbers="results/videos/summary.json",
    log:
        "results/logs/videos_summary.log",
    params:
        listed=lambda wildcards: {shard: len(videos) for shard, videos in plan.mining.shards.items()},
        finished=lambda wildcards: plan.mining.finished_shards_digest(),
        code=code("videos/videos_summary.py"),
    message:
        "Sum up the crawl"
    script:
        "../scripts/videos/videos_summary.py"
