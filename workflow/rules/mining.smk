# Mining: find frames that show one moving object, and the place of the object 30 frames later (PAPER §4).
#
# inputs   results/videos/{shard}.tsv
# outputs  results/mining/{shard}/frames.csv: every candidate frame, accepted or rejected, with the reason
#          results/mining/{shard}/tracks.csv: every accepted frame's query box, and its tracked box or the reason
#          why the track was lost
#          results/mining/any-frame/{shard}/frames.csv, tracks.csv: the same of frames that the rule rejected
# steps    filter the candidate frames by their moving points, track the query boxes; for models with `pairs: any-frame`,
#          find and track the boxes of frames that the rule rejected


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


rule mining_any_frame:
    input:
        manifest="results/videos/{shard}.tsv",
        frames="results/mining/{shard}/frames.csv",
    output:
        frames="results/mining/any-frame/{shard}/frames.csv",
    log:
        "results/logs/mining_any_frame/{shard}.log",
    priority: LONGEST_CHAIN
    threads: config["threads"]["mining"]
    params:
        frame=config["mining"]["frame"],
        # The other settings of the filter decide which frames its table has, with which verdicts and by which flow.
        filtering={
            key: config["mining"]["filter"][key]
            for key in ("surf", "surf_threshold", "max_points", "min_points", "moving_px", "box", "overlays")
        },
        resample_fps=config["mining"]["resample_fps"],
        code=code("mining/mining_any_frame.py"),
    message:
        "Shard {wildcards.shard}: find the query boxes of rejected frames"
    script:
        "../scripts/mining/mining_any_frame.py"


use rule mining_track as mining_track_any_frame with:
    input:
        manifest="results/videos/{shard}.tsv",
        frames="results/mining/any-frame/{shard}/frames.csv",
    output:
        tracks="results/mining/any-frame/{shard}/tracks.csv",
    log:
        "results/logs/mining_track_any_frame/{shard}.log",
    message:
        "Shard {wildcards.shard}: track the query boxes of rejected frames over {params.tracking[frames]} frames"
