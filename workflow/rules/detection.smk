# Detection: features of every window, one linear SVM a class, and the scored boxes of the test images (R-CNN).
#
# inputs   results/models/{model}/weights.safetensors, results/voc/proposals/{set}-{part}.npz, VOC's annotations
# outputs  results/features/{model}/{layer}/{set}-{part}.h5 (temporary unless detection.keep_features)
#          results/detection/svms/{row}.npz, results/detection/detections/{row}.npz
# steps    extract features, train a row's SVMs with hard negatives, score and suppress the test windows


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


if plan.protocol.annotated:

    rule detection_evaluate:
        input:
            detections="results/detection/detections/{row}.npz",
            svms="results/detection/svms/{row}.npz",
        output:
            cells=plan.cells(["{row}"]),
            bootstrap="results/detection/bootstraps/{row}.npz",
        log:
            "results/logs/detection_evaluate/{row}.log",
        params:
            voc=plan.voc,
            image_set=plan.protocol.test,
            bootstrap=config["detection"]["bootstrap"],
            code=code("detection/detection_evaluate.py"),
        message:
            "Row {wildcards.row}: average precision, {params.bootstrap} draws of the test images"
        script:
            "../scripts/detection/detection_evaluate.py"

else:

    rule detection_submission:
        input:
            detections="results/detection/detections/{row}.npz",
        output:
            archive="results/submissions/{row}.tar.gz",
        log:
            "results/logs/detection_submission/{row}.log",
        params:
            voc=plan.voc,
            image_set=plan.protocol.test,
            external=lambda wildcards: plan.external(wildcards.row),
            code=code("detection/detection_submission.py"),
        message:
            "Row {wildcards.row}: archive for the evaluation server"
        script:
            "../scripts/detection/detection_submission.py"

    rule detection_server_cells:
        input:
            archive="results/submissions/{row}.tar.gz",
            scores=config["detection"]["server_scores"] or [],
        output:
            cells=plan.cells(["{row}"]),
            bootstrap="results/detection/bootstraps/{row}.npz",
        log:
            "results/logs/detection_server_cells/{row}.log",
        params:
            classes=plan.classes,
            code=code("detection/detection_server_cells.py"),
        message:
            "Row {wildcards.row}: average precision as the evaluation server gave it"
        script:
            "../scripts/detection/detection_server_cells.py"
