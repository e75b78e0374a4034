# Mining: find frames that show one moving object, and the place of the object 30 frames later (PAPER §4).
#
# inputs   results/videos/{shard}.tsv
# outputs  results/mining/{shard}/frames.csv: every candidate frame, accepted or rejected, with the reason
#          results/mining/{shard}/tracks.csv: every accepted frame's query box, and its tracked box or the reason
#          why the track was lost
# steps    filter the candidate frames by their moving points, track the query boxes


rule mining_filter:
    input:
        manifest="results/videos/{shard}.tsv",
    output:
        frames="results/mining/{shard}/frames.csv",
    log:
        "results/logs/mining_filter/{shard}.log",
    priority: LONGEST_CHAIN
    threads: config["threads"]["mining"]
    params:
        frame=config["mining"]["frame"],
        filtering=config["mining"]["filter"],
        resample_fps=config["mining"]["resample_fps"],
        code=code("mining/mining_filter.py"),
    message:
        "Shard {wildcards.shard}: filter one candidate every {params.filtering[every]} frames, with query boxes of {params.filtering[box]} px"
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
    priority: LONGEST_CHAIN
    threads: config["threads"]["mining"]
    params:
        frame=config["mining"]["frame"],
        tracking=config["mining"]["track"],
        resample_fps=config["mining"]["resample_fps"],
        box=config["mining"]["filter"]["box"],
        code=code("mining/mining_track.py"),
    message:
        "Shard {wildcards.shard}: track the query boxes over {params.tracking[frames]} frames"
    script:
        "../scripts/mining/mining_track.py"
