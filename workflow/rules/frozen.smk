# Frozen: what the features of a network show on any data set, without training it further.
#
# inputs   the model's weights; config frozen.sets: folders with one folder of photos a category; config frozen.masks:
#          folders of videos with masks in DAVIS's layout; config frozen.pairs: folders of patch shards
# outputs  results/cells/frozen/{protocol}/{column}/{model}.json: accuracy of a linear probe and of nearest neighbours, and
#          precision among the nearest photos, or J and F of propagated masks, or recall of tracked patches;
#          an ensemble, whose members' features stand side by side, is named {model}+{model}
#          results/frozen/{protocol}/bootstraps/{column}/{model}.npz: the same in each draw of the photos, sequences or
#          clips, and of masks what a guess and true cells give in it
# steps    describe each photo as a whole; draw training photos of each category several times, train a linear softmax and
#          let the nearest vote; look up the nearest photos of every photo. Or describe the cells of each frame, and carry
#          the masks of the first frame on to the most similar cells nearby. Or find the tracked patch of each query


rule frozen_images:
    input:
        weights=lambda wildcards: plan.frozen.members(wildcards.model),
    output:
        cell="results/cells/frozen/{protocol}/{column}/{model}.json",
        replicates="results/frozen/{protocol}/bootstraps/{column}/{model}.npz",
    log:
        "results/logs/frozen_images/{protocol}/{column}/{model}.log",
    wildcard_constraints:
        column=names(plan.frozen.image_sets),
        model=names([*plan.frozen.computed_models(), *plan.frozen.ensembles()]),
    threads: config["threads"]["detection"]
    resources:
        gpu=1,
        mem_mb=memory(JOB_MB),
    params:
        folder=lambda wildcards: plan.frozen.folder(wildcards.column),
        # A digest among the parameters shows whether a photo was replaced since.
        photos_digest=lambda wildcards: plan.frozen.digest(wildcards.column),
        settings=lambda wildcards: plan.frozen.of_images(wildcards.column),
        precision=config["features"]["precision"],
        code=code("frozen/frozen_images.py"),
    message:
        "{wildcards.model}: evaluate {params.settings[layer]} on the photos of {params.folder}"
    script:
        "../scripts/frozen/frozen_images.py"


rule frozen_masks:
    input:
        weights=lambda wildcards: plan.weights(wildcards.model),
    output:
        cell="results/cells/frozen/{protocol}/{column}/{model}.json",
        replicates="results/frozen/{protocol}/bootstraps/{column}/{model}.npz",
    log:
        "results/logs/frozen_masks/{protocol}/{column}/{model}.log",
    wildcard_constraints:
        column=names(plan.frozen.mask_sets),
        model=names(plan.frozen.computed_models()),
    threads: config["threads"]["detection"]
    resources:
        gpu=1,
        mem_mb=memory(JOB_MB),
    params:
        folder=lambda wildcards: plan.frozen.folder(wildcards.column),
        # A digest among the parameters shows whether a frame or a mask was replaced since.
        photos_digest=lambda wildcards: plan.frozen.digest(wildcards.column),
        settings=lambda wildcards: plan.frozen.of_masks(wildcards.column),
        code=code("frozen/frozen_masks.py"),
    message:
        "{wildcards.model}: propagate the masks of {params.folder} by {params.settings[propagation][layer]}"
    script:
        "../scripts/frozen/frozen_masks.py"


rule frozen_pairs:
    input:
        stores=lambda wildcards: plan.frozen.stores(wildcards.column),
        weights=lambda wildcards: plan.weights(wildcards.model),
    output:
        cell="results/cells/frozen/{protocol}/{column}/{model}.json",
        replicates="results/frozen/{protocol}/bootstraps/{column}/{model}.npz",
    log:
        "results/logs/frozen_pairs/{protocol}/{column}/{model}.log",
    wildcard_constraints:
        column=names(plan.frozen.pair_sets),
        model=names(plan.frozen.computed_models()),
    threads: config["threads"]["detection"]
    resources:
        mem_mb=memory(JOB_MB),
    params:
        # A digest among the parameters shows whether a shard was replaced since.
        pairs_digest=lambda wildcards: plan.frozen.digest(wildcards.column),
        settings=lambda wildcards: plan.frozen.of_pairs(wildcards.column),
        code=code("frozen/frozen_pairs.py"),
    message:
        "{wildcards.model}: find the tracked patches of {wildcards.column} again"
    script:
        "../scripts/frozen/frozen_pairs.py"
