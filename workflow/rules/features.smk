# Features: the activations of a network in every window of the photos, stored where features.keep is true.
#
# inputs   the model's weights, results/voc/proposals/VOC{year}/{set}-{part}.npz, VOC's photos and annotations
# outputs  results/features/{protocol}/{model}/{layer}/{set}-{part}.h5
# steps    warp every proposal and every annotated box to the network's input, run one forward pass
# With features.keep an edit of svm.py re-runs no network. Otherwise this rule has no jobs: SVMs and detection compute
# their features themselves, as retrieval always does.
COMPUTING_MB = config["features"]["processes"] * JOB_MB  # memory of a job that computes features


rule features_extract:
    input:
        weights=lambda wildcards: [plan.weights(wildcards.model)],
        proposals=[f"results/voc/proposals/{VOC}/{{set}}-{{part}}.npz"],
    output:
        features="results/features/{protocol}/{model}/{layer}/{set}-{part}.h5",
    log:
        "results/logs/features_extract/{protocol}/{model}/{layer}/{set}-{part}.log",
    threads: config["threads"]["train"]
    resources:
        gpu=config["features"]["processes"],
        mem_mb=memory(COMPUTING_MB),
    params:
        devkit=plan.voc.labelled_devkit,
        photos_digest=lambda wildcards: plan.voc.photos_digest(wildcards.set, int(wildcards.part)),
        annotations_digest=lambda wildcards: (
            plan.voc.annotations_digest(wildcards.set, int(wildcards.part))
            if wildcards.set == plan.protocol.train
            else ""
        ),
        # Detection leaves the annotated boxes of the test images out.
        features=lambda wildcards: plan.feature_settings(
            wildcards.layer, ground_truth=wildcards.set == plan.protocol.train
        ),
        code=code("features/features_extract.py"),
    message:
        "{wildcards.model}: compute {wildcards.layer} of the windows of {wildcards.set}, part {wildcards.part}"
    script:
        "../scripts/features/features_extract.py"
