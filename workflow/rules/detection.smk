# Detection as in R-CNN: one linear SVM a class on a row's features, scored boxes of the test images, average precision.
#
# inputs   weights, results/voc/proposals/VOC{year}/{set}-{part}.npz, VOC's photos and annotations; with features.keep
#          results/features/{protocol}/{model}/{layer}/{set}-{part}.h5; or the server's scores
# outputs  results/detection/{protocol}/svms/{row}.npz, detections/{row}.npz, bootstraps/{row}.npz;
#          results/cells/table1/{protocol}/{row}/{class}.json and mAP.json, results/cells/section6/{protocol}/detection/
#          {row}.json; external/{table}.json: the data that each row learned from; for the server, submissions/{row}.tar.gz;
#          pages/{row}.html and pages/{row}/{class}.html, compared/{row}/{against}.html; {row}/detections.json and
#          ground_truth.json in COCO's format
# steps    train a row's SVMs with hard negatives, score and suppress the test windows, evaluate, or submit, and show the
#          errors; a row whose data are missing has empty cells, which say how to get the data
CELLS = [f"results/cells/table1/{{protocol}}/{{row}}/{column}.json" for column in plan.voc.columns]
BOOTSTRAP = "results/detection/{protocol}/bootstraps/{row}.npz"
SECTION6_ROWS = plan.section6.rows("detection")
COMPUTED_ROW = names(row for row in plan.computed_rows() if row not in SECTION6_ROWS)

# GPUs of a job that computes the features it uses
COMPUTING = 0 if config["features"]["keep"] else config["features"]["processes"]


rule detection_svms:
    input:
        stored=lambda wildcards: plan.stored_features(wildcards.row, plan.protocol.train),
        weights=lambda wildcards: plan.row_weights(wildcards.row),
        proposals=lambda wildcards: plan.voc.proposals(plan.protocol.train),
    output:
        svms="results/detection/{protocol}/svms/{row}.npz",
    log:
        "results/logs/detection_svms/{protocol}/{row}.log",
    threads: config["threads"]["detection"]
    resources:
        gpu=COMPUTING,
        mem_mb=memory(max(64000, COMPUTING_MB)),
    params:
        devkit=plan.voc.labelled_devkit,
        photos_digest=lambda wildcards: plan.voc.photos_digest(plan.protocol.train),
        annotations_digest=lambda wildcards: plan.voc.annotations_digest(plan.protocol.train),
        models=lambda wildcards: plan.rows[wildcards.row]["models"],
        features=lambda wildcards: plan.feature_settings(plan.rows[wildcards.row]["layer"], ground_truth=True),
        svm=config["detection"]["svm"],
        code=code("detection/detection_svms.py"),
    message:
        "Row {wildcards.row}: train one SVM for each class on features of {params.models}"
    script:
        "../scripts/detection/detection_svms.py"


rule detection_detect:
    input:
        stored=lambda wildcards: plan.stored_features(wildcards.row, plan.protocol.test),
        weights=lambda wildcards: plan.row_weights(wildcards.row),
        proposals=lambda wildcards: plan.voc.proposals(plan.protocol.test),
        svms="results/detection/{protocol}/svms/{row}.npz",
    output:
        detections="results/detection/{protocol}/detections/{row}.npz",
    log:
        "results/logs/detection_detect/{protocol}/{row}.log",
    threads: config["threads"]["detection"]
    resources:
        gpu=COMPUTING,
        mem_mb=memory(COMPUTING_MB),
    params:
        devkit=plan.voc.labelled_devkit,
        photos_digest=lambda wildcards: plan.voc.photos_digest(plan.protocol.test),
        models=lambda wildcards: plan.rows[wildcards.row]["models"],
        features=lambda wildcards: plan.feature_settings(plan.rows[wildcards.row]["layer"], ground_truth=False),
        settings=config["detection"]["detect"],
        code=code("detection/detection_detect.py"),
    message:
        "Row {wildcards.row}: keep the {params.settings[top]} best boxes of each test image and class"
    script:
        "../scripts/detection/detection_detect.py"


if plan.protocol.annotated:

    rule detection_evaluate:
        input:
            detections="results/detection/{protocol}/detections/{row}.npz",
            svms="results/detection/{protocol}/svms/{row}.npz",
        output:
            cells=CELLS,
            bootstrap=BOOTSTRAP,
        log:
            "results/logs/detection_evaluate/{protocol}/{row}.log",
        wildcard_constraints:
            row=COMPUTED_ROW,
        params:
            devkit=plan.voc.labelled_devkit,
            annotations_digest=lambda wildcards: plan.voc.annotations_digest(plan.protocol.test),
            image_set=plan.protocol.test,
            bootstrap=config["detection"]["bootstrap"],
            code=code("detection/detection_evaluate.py"),
        message:
            "Row {wildcards.row}: compute average precision with {params.bootstrap} draws of the test images"
        script:
            "../scripts/detection/detection_evaluate.py"

    rule detection_section6:
        input:
            detections="results/detection/{protocol}/detections/{row}.npz",
            svms="results/detection/{protocol}/svms/{row}.npz",
        output:
            cell="results/cells/section6/{protocol}/detection/{row}.json",
            bootstrap=BOOTSTRAP,
        log:
            "results/logs/detection_section6/{protocol}/{row}.log",
        wildcard_constraints:
            row=names(plan.computed_rows(SECTION6_ROWS)),
        params:
            devkit=plan.voc.labelled_devkit,
            annotations_digest=lambda wildcards: plan.voc.annotations_digest(plan.protocol.test),
            image_set=plan.protocol.test,
            bootstrap=config["detection"]["bootstrap"],
            code=code("detection/detection_section6.py"),
        message:
            "Row {wildcards.row} of section 6: compute average precision with {params.bootstrap} draws of the test images"
        script:
            "../scripts/detection/detection_section6.py"

    rule detection_page:
        input:
            detections="results/detection/{protocol}/detections/{row}.npz",
            cells=CELLS,
        output:
            page="results/detection/{protocol}/pages/{row}.html",
            class_pages=[f"results/detection/{{protocol}}/pages/{{row}}/{name}.html" for name in plan.voc.classes],
        log:
            "results/logs/detection_page/{protocol}/{row}.log",
        wildcard_constraints:
            row=COMPUTED_ROW,
        params:
            devkit=plan.voc.labelled_devkit,
            photos_digest=lambda wildcards: plan.voc.photos_digest(plan.protocol.test),
            annotations_digest=lambda wildcards: plan.voc.annotations_digest(plan.protocol.test),
            image_set=plan.protocol.test,
            label=lambda wildcards: plan.rows[wildcards.row]["label"],
            protocol=plan.protocol.name,
            code=code("detection/detection_page.py"),
        message:
            "Row {wildcards.row}: show curves, errors and photos of each class"
        script:
            "../scripts/detection/detection_page.py"

    rule detection_compare:
        input:
            detections=[f"results/detection/{{protocol}}/detections/{row}.npz" for row in ("{row}", "{against}")],
            cells=CELLS,
            cells_against=[cell.replace("{row}", "{against}") for cell in CELLS],
            bootstraps=[BOOTSTRAP, BOOTSTRAP.replace("{row}", "{against}")],
            # The page links to those of the two rows.
            pages=[f"results/detection/{{protocol}}/pages/{row}.html" for row in ("{row}", "{against}")],
        output:
            page="results/detection/{protocol}/compared/{row}/{against}.html",
        log:
            "results/logs/detection_compare/{protocol}/{row}/{against}.log",
        wildcard_constraints:
            row=COMPUTED_ROW,
            against=COMPUTED_ROW,
        params:
            devkit=plan.voc.labelled_devkit,
            photos_digest=lambda wildcards: plan.voc.photos_digest(plan.protocol.test),
            annotations_digest=lambda wildcards: plan.voc.annotations_digest(plan.protocol.test),
            image_set=plan.protocol.test,
            labels=lambda wildcards: [plan.rows[row]["label"] for row in (wildcards.row, wildcards.against)],
            protocol=plan.protocol.name,
            code=code("detection/detection_compare.py"),
        message:
            "Compare the detections of {wildcards.row} and {wildcards.against}"
        script:
            "../scripts/detection/detection_compare.py"

    rule detection_ground_truth:
        input:
            lambda wildcards: plan.voc.ready_file(plan.protocol.test),
        output:
            annotations="results/detection/{protocol}/ground_truth.json",
        log:
            "results/logs/detection_ground_truth/{protocol}.log",
        params:
            devkit=plan.voc.labelled_devkit,
            photos_digest=lambda wildcards: plan.voc.photos_digest(plan.protocol.test),
            annotations_digest=lambda wildcards: plan.voc.annotations_digest(plan.protocol.test),
            image_set=plan.protocol.test,
            code=code("detection/detection_ground_truth.py"),
        message:
            "Write the annotations of {params.image_set} in COCO's format"
        script:
            "../scripts/detection/detection_ground_truth.py"

else:

    rule detection_submission:
        input:
            detections="results/detection/{protocol}/detections/{row}.npz",
        output:
            archive="results/detection/{protocol}/submissions/{row}.tar.gz",
        log:
            "results/logs/detection_submission/{protocol}/{row}.log",
        params:
            devkit=plan.voc.labelled_devkit,
            image_set=plan.protocol.test,
            external=lambda wildcards: plan.uses_external_data(wildcards.row),
            code=code("detection/detection_submission.py"),
        message:
            "Row {wildcards.row}: write the archive for the test server"
        script:
            "../scripts/detection/detection_submission.py"

    rule detection_server_cells:
        input:
            archive="results/detection/{protocol}/submissions/{row}.tar.gz",
            scores=config["detection"]["server_scores"] or [],
        output:
            cells=CELLS,
            bootstrap=BOOTSTRAP,
        log:
            "results/logs/detection_server_cells/{protocol}/{row}.log",
        wildcard_constraints:
            row=COMPUTED_ROW,
        params:
            classes=plan.voc.classes,
            code=code("detection/detection_server_cells.py"),
        message:
            "Row {wildcards.row}: read the average precision that the test server computed"
        script:
            "../scripts/detection/detection_server_cells.py"


rule detection_coco:
    input:
        detections="results/detection/{protocol}/detections/{row}.npz",
    output:
        results="results/detection/{protocol}/{row}/detections.json",
    log:
        "results/logs/detection_coco/{protocol}/{row}.log",
    params:
        code=code("detection/detection_coco.py"),
    message:
        "Row {wildcards.row}: write the detections in COCO's format"
    script:
        "../scripts/detection/detection_coco.py"


rule detection_empty_cells:
    output:
        cells=CELLS,
        bootstrap=BOOTSTRAP,
    log:
        "results/logs/detection_empty_cells/{protocol}/{row}.log",
    wildcard_constraints:
        row=names(row for row in plan.empty_rows() if row not in SECTION6_ROWS),
    params:
        classes=plan.voc.classes,
        reason=lambda wildcards: plan.lacks(wildcards.row),
        code=code("detection/detection_empty_cells.py"),
    message:
        "Row {wildcards.row}: leave its cells empty: {params.reason}"
    script:
        "../scripts/detection/detection_empty_cells.py"


rule detection_external:
    input:
        weights=lambda wildcards: plan.external_weights(wildcards.table),
    output:
        texts="results/detection/{protocol}/external/{table}.json",
    log:
        "results/logs/detection_external/{protocol}/{table}.log",
    wildcard_constraints:
        table="table1|section6|table2|frozen",
    params:
        rows=lambda wildcards: plan.external_data(wildcards.table),
        code=code("detection/detection_external.py"),
    message:
        "Count the data that the networks of each row of {wildcards.table} learned from"
    script:
        "../scripts/detection/detection_external.py"
