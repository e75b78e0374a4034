# Patches: pairs of query and tracked patch, packed into one HDF5 file a shard.
#
# inputs   results/mining/{shard}/tracks.csv and the shard's videos, or a folder of published patches with its list
# outputs  results/patches/{shard}.h5: JPEG pairs; {shard}.json: how many and why not more; {shard}.png: pairs to look at
# steps    crop and pack the pairs of a shard; decide which shards a subset reads
from math import ceil


def patch_shards():
    """Names of all shards of patches, mined or imported."""
    imported = config["patches"]["import"]
    if not imported:
        return list(SHARDS)
    if not Path(imported["list"]).exists():
        stop(f"{imported['list']}: no list of patches (patches.import.list); expected lines of `path label`")
    with open(imported["list"], "rb") as lines:
        pairs = sum(1 for line in lines if line.strip()) // 2
    return [f"{number:05d}" for number in range(ceil(pairs / imported["pairs_per_shard"]))]


PATCH_SHARDS = patch_shards()
PACKED = experiment.packed_patches("results/patches")


def patches_expected():
    imported = config["patches"]["import"]
    if imported:
        return 2 * imported["pairs_per_shard"]
    return config["patches"]["per_video"] * config["videos"]["shard_size"]


def subset_stores(name):
    """Patch shards that a subset reads, its `patches` and the share it may take them from."""
    shards = experiment.subset_shards(
        config["subsets"][name], PATCH_SHARDS, expected=patches_expected(), packed=PACKED
    )
    if not shards:
        stop(
            f"config: subsets.{name}: none of the {len(PATCH_SHARDS)} shards lies in its share; "
            "lower videos.shard_size or widen the share"
        )
    return expand("results/patches/{shard}.h5", shard=shards)


if config["patches"]["import"]:

    rule patches_import:
        input:
            list=config["patches"]["import"]["list"],
        output:
            store="results/patches/{shard}.h5",
            summary="results/patches/{shard}.json",
            sheet="results/patches/{shard}.png",
        params:
            folder=config["patches"]["import"]["folder"],
            pairs_per_shard=config["patches"]["import"]["pairs_per_shard"],
            patches={key: config["patches"][key] for key in ("size", "quality")},
            code=code("patches/patches_import.py"),
        log:
            "results/logs/patches_import/{shard}.log",
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
            sheet="results/patches/{shard}.png",
        params:
            frame=config["mining"]["frame"],
            patches={key: config["patches"][key] for key in ("size", "quality")},
            code=code("patches/patches_pack.py"),
        log:
            "results/logs/patches_pack/{shard}.log",
        threads: config["threads"]["mining"]
        message:
            "Shard {wildcards.shard}: pack pairs of {params.patches[size]} px at JPEG quality {params.patches[quality]}"
        script:
            "../scripts/patches/patches_pack.py"
