# Features: the activations of a network in every window of the photos.
#
# inputs   the model's weights, results/voc/proposals/VOC{year}/{set}-{part}.npz, VOC's photos and annotations
# outputs  results/features/{protocol}/{model}/{layer}/{set}-{part}.h5
# steps    warp every proposal and every annotated box to the network's input, run one forward pass
# With features.keep the files stay, and an edit of svm.py re-runs no network. Otherwise they are removed after use.
kept = (lambda path: path) if config["features"]["keep"] else temp


rule features_extract:
    input:
        weights=lambda wildcards: plan.weights(wildcards.model),
        proposals=f"results/voc/proposals/{VOC}/{{set}}-{{part}}.npz",
    output:
        features=kept("results/features/{protocol}/{model}/{layer}/{set}-{part}.h5"),
    log:
        "results/logs/features_extract/{protocol}/{model}/{layer}/{set}-{part}.log",
    threads: config["threads"]["train"]
    resources:
        gpu=1,
    params:
        devkit=plan.labelled_devkit,
        photos_digest=lambda wildcards: plan.photos_digest(wildcards.set, int(wildcards.part)),
        annotations_digest=lambda wildcards: plan.annotations_digest(wildcards.set, int(wildcards.part)),
        annotated=lambda wildcards: plan.annotated(wildcards.set),
        code=code("features/features_extract.py"),
    message:
        "{wildcards.model}: compute {wildcards.layer} of the windows of {wildcards.set}, part {wildcards.part}"
    script:
        "../scripts/features/features_extract.py"
