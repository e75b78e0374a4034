# Videos: the list is cut into shards, and the videos of each shard are downloaded.
#
# inputs   config videos.list: a TSV of video_id and source (YouTube id, URL or local path)
# outputs  results/videos/{shard}.tsv: one row for every video with its status, reason, size and checksum
# steps    download and probe every video of a shard


rule videos_download:
    output:
        manifest="results/videos/{shard}.tsv",
    log:
        "results/logs/videos_download/{shard}.log",
    priority: LONGEST_CHAIN
    threads: config["threads"]["download"]
    params:
        videos=lambda wildcards: plan.sources(wildcards.shard),
        local_videos_digest=lambda wildcards: plan.local_videos_digest(wildcards.shard),
        directory=f"{config['videos']['directory']}/{{shard}}",
        limits={key: config["videos"][key] for key in ("max_height", "max_duration")},
        code=code("videos/videos_download.py"),
    message:
        "Shard {wildcards.shard}: download or probe the videos"
    script:
        "../scripts/videos/videos_download.py"
