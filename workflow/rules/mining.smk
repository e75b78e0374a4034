# Mining: which frames hold one moving object, and where it is 30 frames later (PAPER §4).
#
# inputs   results/videos/{shard}.tsv
# outputs  results/mining/{shard}/frames.csv: every candidate frame, accepted or rejected, with the reason
#          results/mining/{shard}/tracks.csv: every accepted frame's query box and tracked box, or why it was lost
#          results/mining/{shard}/gallery.html: some of both and of the pairs that were packed, and how many ended for
#          which reason
# steps    filter candidate frames by their moving points, track the query box; when it is packed, draw a page


rule mining_filter:
    input:
        manifest="results/videos/{shard}.tsv",
    output:
        frames="results/mining/{shard}/frames.csv",
    log:
        "results/logs/mining_filter/{shard}.log",
    threads: config["threads"]["mining"]
    params:
        frame=config["mining"]["frame"],
        filter=config["mining"]["filter"],
        resample_fps=config["mining"]["resample_fps"],
        code=code("mining/mining_filter.py"),
    message:
        "Shard {wildcards.shard}: one candidate every {params.filter[every]} frames, query boxes of {params.filter[box]} px"
    script:
        "../scripts/mining/mining_filter.py"


rule mining_track:
    input:
        manifest="results/videos/{shard}.tsv",
        frames="results/mining/{shard}/frames.csv",
    output:
        tracks="results/mining/{shard}/tracks.csv",
    log:
        "results/logs/mining_track/{shard}.log",
    threads: config["threads"]["mining"]
    params:
        frame=config["mining"]["frame"],
        track=config["mining"]["track"],
        resample_fps=config["mining"]["resample_fps"],
        box=config["mining"]["filter"]["box"],
        code=code("mining/mining_track.py"),
    message:
        "Shard {wildcards.shard}: track the query boxes over {params.track[frames]} frames"
    script:
        "../scripts/mining/mining_track.py"


rule mining_gallery:
    input:
        manifest="results/videos/{shard}.tsv",
        frames="results/mining/{shard}/frames.csv",
        tracks="results/mining/{shard}/tracks.csv",
        store="results/patches/{shard}.h5",
        summary="results/patches/{shard}.json",
    output:
        page=report("results/mining/{shard}/gallery.html", caption="../report/gallery.rst", category="Mining"),
    log:
        "results/logs/mining_gallery/{shard}.log",
    params:
        frame=config["mining"]["frame"],
        filter={
            key: value
            for key, value in config["mining"]["filter"].items()
            if key not in ("every", "max_pairs_per_video")
        },
        resample_fps=config["mining"]["resample_fps"],
        code=code("mining/mining_gallery.py"),
    message:
        "Shard {wildcards.shard}: a page of frames, pairs and reasons"
    script:
        "../scripts/mining/mining_gallery.py"


# A page of every shard; `rule all` asks for that of the first one only.
rule galleries:
    input:
        plan.galleries(),
