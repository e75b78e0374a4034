# Patches: pairs of a query and its tracked patch, packed into one HDF5 file a shard, and pages that show the pairs.
#
# inputs   results/mining/{shard}/tracks.csv and the shard's videos, or a folder of published patches with its list
# outputs  results/patches/{shard}.h5: JPEG pairs; {shard}.json: counts of pairs and of each reason for dropping frames;
#          {shard}.png: a contact sheet; {shard}.html: some frames, pairs and lost tracks, and the counts of the reasons;
#          pairs.parquet: a row for each pair of all shards; pairs.html: a page of all shards
#          results/patches/controls/{kind}/{shard}.h5, .json, .png: the pairs of a control, for models with `pairs: {kind}`
# steps    crop and pack the pairs of a shard, or import published pairs; draw the contact sheet and the page; index and
#          show the pairs of all shards; pack the pairs of the controls, for models that ask for them

if config["patches"]["import"]:

    rule patches_import:
        output:
            store="results/patches/{shard}.h5",
            summary="results/patches/{shard}.json",
        log:
            "results/logs/patches_import/{shard}.log",
        priority: LONGEST_CHAIN
        params:
            list=config["patches"]["import"]["list"],
            folder=config["patches"]["import"]["folder"],
            pairs_per_shard=config["patches"]["import"]["pairs_per_shard"],
            imported_pairs_digest=lambda wildcards: plan.mining.imported_pairs_digest(wildcards.shard),
            packing={key: config["patches"][key] for key in ("size", "quality")},
            code=code("patches/patches_import.py"),
        message:
            "Shard {wildcards.shard}: import {params.pairs_per_shard} pairs from {params.folder}"
        script:
            "../scripts/patches/patches_import.py"

else:

    rule patches_pack:
        input:
            manifest="results/videos/{shard}.tsv",
            tracks="results/mining/{shard}/tracks.csv",
        output:
            store="results/patches/{shard}.h5",
            summary="results/patches/{shard}.json",
        log:
            "results/logs/patches_pack/{shard}.log",
        priority: LONGEST_CHAIN
        threads: config["threads"]["mining"]
        params:
            frame=config["mining"]["frame"],
            packing={key: config["patches"][key] for key in ("size", "quality", "duplicate_bits", "min_change")},
            code=code("patches/patches_pack.py"),
        message:
            "Shard {wildcards.shard}: pack pairs of {params.packing[size]} px at JPEG quality {params.packing[quality]}"
        script:
            "../scripts/patches/patches_pack.py"

    rule patches_untracked:
        input:
            manifest="results/videos/{shard}.tsv",
            frames="results/mining/{shard}/frames.csv",
            tracked="results/patches/{shard}.h5",
        output:
            store="results/patches/controls/{kind}/{shard}.h5",
            summary="results/patches/controls/{kind}/{shard}.json",
        log:
            "results/logs/patches_untracked/{kind}/{shard}.log",
        wildcard_constraints:
            kind="still|random-box",
        priority: LONGEST_CHAIN
        threads: config["threads"]["mining"]
        params:
            frame=config["mining"]["frame"],
            packing={key: config["patches"][key] for key in ("size", "quality")},
            code=code("patches/patches_untracked.py"),
        message:
            "Shard {wildcards.shard}: pack the queries of the pairs with other boxes ({wildcards.kind})"
        script:
            "../scripts/patches/patches_untracked.py"

    rule patches_any_frame:
        input:
            manifest="results/videos/{shard}.tsv",
            tracks="results/mining/any-frame/{shard}/tracks.csv",
            tracked="results/patches/{shard}.h5",
        output:
            store="results/patches/controls/any-frame/{shard}.h5",
            summary="results/patches/controls/any-frame/{shard}.json",
        log:
            "results/logs/patches_any_frame/{shard}.log",
        priority: LONGEST_CHAIN
        threads: config["threads"]["mining"]
        params:
            frame=config["mining"]["frame"],
            packing={key: config["patches"][key] for key in ("size", "quality", "duplicate_bits", "min_change")},
            code=code("patches/patches_any_frame.py"),
        message:
            "Shard {wildcards.shard}: pack at most as many pairs from rejected frames as there are tracked pairs"
        script:
            "../scripts/patches/patches_any_frame.py"


rule patches_one_patch:
    input:
        tracked="results/patches/{shard}.h5",
    output:
        store="results/patches/controls/one-patch/{shard}.h5",
        summary="results/patches/controls/one-patch/{shard}.json",
    log:
        "results/logs/patches_one_patch/{shard}.log",
    priority: LONGEST_CHAIN
    params:
        packing={key: config["patches"][key] for key in ("size", "quality")},
        code=code("patches/patches_one_patch.py"),
    message:
        "Shard {wildcards.shard}: pack the query of each pair with itself"
    script:
        "../scripts/patches/patches_one_patch.py"


rule patches_sheet:
    input:
        store="results/patches/{shard}.h5",
    output:
        sheet="results/patches/{shard}.png",
    log:
        "results/logs/patches_sheet/{shard}.log",
    params:
        code=code("patches/patches_sheet.py"),
    message:
        "Shard {wildcards.shard}: draw a contact sheet of the pairs"
    script:
        "../scripts/patches/patches_sheet.py"


use rule patches_sheet as patches_control_sheet with:
    input:
        store="results/patches/controls/{kind}/{shard}.h5",
    output:
        sheet="results/patches/controls/{kind}/{shard}.png",
    log:
        "results/logs/patches_control_sheet/{kind}/{shard}.log",
    message:
        "Shard {wildcards.shard}: draw a contact sheet of the control {wildcards.kind}"


rule patches_gallery:
    input:
        manifest="results/videos/{shard}.tsv",
        frames="results/mining/{shard}/frames.csv",
        tracks="results/mining/{shard}/tracks.csv",
        store="results/patches/{shard}.h5",
        summary="results/patches/{shard}.json",
    output:
        page="results/patches/{shard}.html",
    log:
        "results/logs/patches_gallery/{shard}.log",
    params:
        frame=config["mining"]["frame"],
        filtering={
            key: value
            for key, value in config["mining"]["filter"].items()
            if key not in ("every", "max_pairs_per_video")
        },
        resample_fps=config["mining"]["resample_fps"],
        code=code("patches/patches_gallery.py"),
    message:
        "Shard {wildcards.shard}: write a page of frames, pairs and reasons"
    script:
        "../scripts/patches/patches_gallery.py"


rule patches_index:
    input:
        stores=lambda wildcards: plan.mining.shard_files(".h5"),
        manifests=lambda wildcards: plan.mining.mined_files("results/videos/{}.tsv"),
    output:
        index="results/patches/pairs.parquet",
    log:
        "results/logs/patches_index.log",
    params:
        frame=config["mining"]["frame"],
        code=code("patches/patches_index.py"),
    message:
        "Index the pairs of all shards"
    script:
        "../scripts/patches/patches_index.py"


rule patches_overview:
    input:
        stores=lambda wildcards: plan.mining.shard_files(".h5"),
        summaries=lambda wildcards: plan.mining.shard_files(".json"),
        manifests=lambda wildcards: plan.mining.mined_files("results/videos/{}.tsv"),
        frames=lambda wildcards: plan.mining.mined_files("results/mining/{}/frames.csv"),
        # The page links to those of the shards and to the index.
        galleries=lambda wildcards: plan.mining.mined_files("results/patches/{}.html"),
        index="results/patches/pairs.parquet",
    output:
        page=report(
            "results/patches/pairs.html",
            caption="../report/pairs.rst",
            category="4 Patch mining",
            subcategory="Pages",
            labels={"content": "Pairs of all shards"},
        ),
    log:
        "results/logs/patches_overview.log",
    params:
        code=code("patches/patches_overview.py"),
    message:
        "Write a page of the pairs of all shards"
    script:
        "../scripts/patches/patches_overview.py"
