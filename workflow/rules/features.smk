# Features: what a network sees in every window of the photos.
#
# inputs   results/models/{model}/weights.safetensors, results/voc/proposals/{set}-{part}.npz, VOC's annotations
# outputs  results/features/{model}/{layer}/{set}-{part}.h5 (temporary unless detection.keep_features)
# steps    warp every proposal and annotated box, one forward pass
# Kept, an edit of svm.py costs SVMs only; temporary, the features are extracted again.
kept = (lambda path: path) if config["detection"]["keep_features"] else temp


rule features_extract:
    input:
        weights="results/models/{model}/weights.safetensors",
        proposals="results/voc/proposals/{set}-{part}.npz",
    output:
        features=kept(FEATURES),
    log:
        "results/logs/features_extract/{model}/{layer}/{set}-{part}.log",
    threads: config["threads"]["train"]
    resources:
        gpu=1,
    params:
        voc=plan.voc,
        annotated=lambda wildcards: plan.protocol.annotated or wildcards.set == plan.protocol.train,
        code=code("features/features_extract.py"),
    message:
        "{wildcards.model}: {wildcards.layer} of the windows of {wildcards.set}, part {wildcards.part}"
    script:
        "../scripts/features/features_extract.py"
