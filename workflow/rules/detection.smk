# Detection: features of every window, one linear SVM a class, and the scored boxes of the test images (R-CNN).
#
# inputs   results/models/{model}/weights.safetensors, results/detection/proposals/{set}-{part}.npz, VOC's annotations
# outputs  results/detection/features/{model}/{layer}/{set}-{part}.h5 (temporary unless detection.keep_features)
#          results/detection/svms/{row}.npz, results/detection/detections/{row}.npz
# steps    extract features, train a row's SVMs with hard negatives, score and suppress the test windows
ROWS = {row["id"]: row for row in config["table1"]}


def kept(path):
    return path if config["detection"]["keep_features"] else temp(path)


def row_features(image_set):
    """Feature files of a row: model after model, each in the order of the set's parts."""

    def files(wildcards):
        row = ROWS[wildcards.row]
        pattern = "results/detection/features/{model}/{layer}/{set}-{part}.h5"
        layer = row.get("layer", "fc7")
        return [file for model in row["models"] for file in parts(pattern, image_set, model=model, layer=layer)]

    return files


def row_models(wildcards):
    return len(ROWS[wildcards.row]["models"])


rule detection_features:
    input:
        weights="results/models/{model}/weights.safetensors",
        proposals="results/detection/proposals/{set}-{part}.npz",
    output:
        features=kept("results/detection/features/{model}/{layer}/{set}-{part}.h5"),
    params:
        voc=VOC,
        annotated=PROTOCOL.annotated,
        code=code("detection/detection_features.py"),
    log:
        "results/logs/detection_features/{model}/{layer}/{set}-{part}.log",
    threads: config["threads"]["train"]
    resources:
        gpu=1,
    message:
        "{wildcards.model}: {wildcards.layer} of the windows of {wildcards.set}, part {wildcards.part}"
    script:
        "../scripts/detection/detection_features.py"


rule detection_svms:
    input:
        features=row_features(PROTOCOL.train),
    output:
        svms="results/detection/svms/{row}.npz",
    params:
        voc=VOC,
        models=row_models,
        svm=config["detection"]["svm"],
        code=code("detection/detection_svms.py"),
    log:
        "results/logs/detection_svms/{row}.log",
    threads: config["threads"]["detection"]
    message:
        "Row {wildcards.row}: one SVM a class on features of {params.models} model(s)"
    script:
        "../scripts/detection/detection_svms.py"


rule detection_detect:
    input:
        features=row_features(PROTOCOL.test),
        svms="results/detection/svms/{row}.npz",
    output:
        detections="results/detection/detections/{row}.npz",
    params:
        models=row_models,
        detect=config["detection"]["detect"],
        code=code("detection/detection_detect.py"),
    log:
        "results/logs/detection_detect/{row}.log",
    threads: config["threads"]["detection"]
    message:
        "Row {wildcards.row}: the {params.detect[top]} best boxes of each test image and class"
    script:
        "../scripts/detection/detection_detect.py"
