# Detection: features of every window, one linear SVM a class, and the scored boxes of the test images (R-CNN).
#
# inputs   results/models/{model}/weights.safetensors, results/detection/proposals/{set}-{part}.npz, VOC's annotations
# outputs  results/detection/features/{model}/{layer}/{set}-{part}.h5 (temporary unless detection.keep_features)
#          results/detection/svms/{row}.npz, results/detection/detections/{row}.npz
# steps    extract features, train a row's SVMs with hard negatives, score and suppress the test windows
# Kept, an edit of svm.py costs SVMs only; temporary, the features are extracted again.
kept = (lambda path: path) if config["detection"]["keep_features"] else temp


rule detection_features:
    input:
        weights="results/models/{model}/weights.safetensors",
        proposals="results/detection/proposals/{set}-{part}.npz",
    output:
        features=kept(FEATURES),
    log:
        "results/logs/detection_features/{model}/{layer}/{set}-{part}.log",
    threads: config["threads"]["train"]
    resources:
        gpu=1,
    params:
        voc=plan.voc,
        annotated=lambda wildcards: plan.protocol.annotated or wildcards.set == plan.protocol.train,
        code=code("detection/detection_features.py"),
    message:
        "{wildcards.model}: {wildcards.layer} of the windows of {wildcards.set}, part {wildcards.part}"
    script:
        "../scripts/detection/detection_features.py"


rule detection_svms:
    input:
        features=lambda wildcards: plan.row_features(wildcards.row, plan.protocol.train),
    output:
        svms="results/detection/svms/{row}.npz",
    log:
        "results/logs/detection_svms/{row}.log",
    threads: config["threads"]["detection"]
    params:
        voc=plan.voc,
        models=lambda wildcards: len(plan.rows[wildcards.row]["models"]),
        svm=config["detection"]["svm"],
        code=code("detection/detection_svms.py"),
    message:
        "Row {wildcards.row}: one SVM a class on features of {params.models} model(s)"
    script:
        "../scripts/detection/detection_svms.py"


rule detection_detect:
    input:
        features=lambda wildcards: plan.row_features(wildcards.row, plan.protocol.test),
        svms="results/detection/svms/{row}.npz",
    output:
        detections="results/detection/detections/{row}.npz",
    log:
        "results/logs/detection_detect/{row}.log",
    threads: config["threads"]["detection"]
    params:
        models=lambda wildcards: len(plan.rows[wildcards.row]["models"]),
        detect=config["detection"]["detect"],
        code=code("detection/detection_detect.py"),
    message:
        "Row {wildcards.row}: the {params.detect[top]} best boxes of each test image and class"
    script:
        "../scripts/detection/detection_detect.py"
