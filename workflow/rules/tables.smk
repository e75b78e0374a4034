# Tables: one file a cell, joined into Table 1 beside the paper's numbers.
#
# inputs   results/detection/detections/{row}.npz and VOC's annotations, or the server's scores
# outputs  results/cells/table1/{row}/{class}.json and mAP.json; results/table1.csv, .md, .html; results/differences.csv
# steps    average precision of a row's classes in one job, then joins


COLUMNS = [*VOC_CLASSES, "mAP"]
SERVER_SCORES = config["detection"]["server_scores"]


def row_cells(row):
    return [f"results/cells/table1/{row}/{column}.json" for column in COLUMNS]


if PROTOCOL.annotated:

    rule table1_cells:
        input:
            detections="results/detection/detections/{row}.npz",
            svms="results/detection/svms/{row}.npz",
        output:
            cells=row_cells("{row}"),
            bootstrap="results/detection/bootstraps/{row}.npz",
        params:
            voc=VOC,
            image_set=PROTOCOL.test,
            bootstrap=config["detection"]["bootstrap"],
            code=code("tables/table1_cells.py"),
        log:
            "results/logs/table1_cells/{row}.log",
        message:
            "Row {wildcards.row}: average precision, {params.bootstrap} draws of the test images"
        script:
            "../scripts/tables/table1_cells.py"

else:

    rule table1_submission:
        input:
            detections="results/detection/detections/{row}.npz",
        output:
            archive="results/submissions/{row}.tar.gz",
        params:
            voc=VOC,
            image_set=PROTOCOL.test,
            external=lambda wildcards: ROWS[wildcards.row].get("external", "0") != "0",
            code=code("tables/table1_submission.py"),
        log:
            "results/logs/table1_submission/{row}.log",
        message:
            "Row {wildcards.row}: archive for the evaluation server"
        script:
            "../scripts/tables/table1_submission.py"

    rule table1_cells:
        input:
            archive="results/submissions/{row}.tar.gz",
            scores=SERVER_SCORES or [],
        output:
            cells=row_cells("{row}"),
            bootstrap="results/detection/bootstraps/{row}.npz",
        params:
            classes=VOC_CLASSES,
            code=code("tables/table1_server_cells.py"),
        log:
            "results/logs/table1_cells/{row}.log",
        message:
            "Row {wildcards.row}: average precision as the evaluation server gave it"
        script:
            "../scripts/tables/table1_server_cells.py"


rule table1:
    input:
        cells=[cell for row in ROWS for cell in row_cells(row)],
        bootstraps=[f"results/detection/bootstraps/{row}.npz" for row in ROWS],
        paper=HERE / "config/paper/table1.csv",
    output:
        table=report("results/table1.csv", category="Table 1"),
        markdown="results/table1.md",
        differences="results/differences.csv",
    params:
        rows=config["table1"],
        classes=VOC_CLASSES,
        comparisons=config["comparisons"],
        protocol=PROTOCOL.name,
        code=code("tables/table1.py"),
    log:
        "results/logs/table1.log",
    message:
        "Table 1: {input.cells} cells"
    script:
        "../scripts/tables/table1.py"


rule table1_page:
    input:
        table="results/table1.csv",
        differences="results/differences.csv",
        markdown="results/table1.md",
        sheets=[f"results/patches/{shard}.png" for shard in PATCH_SHARDS[:2]],
        summaries=[f"results/patches/{shard}.json" for shard in PATCH_SHARDS[:2]],
        conv1=[f"results/models/{name}/conv1.png" for name in shown_models()],
        logs=[f"results/models/{name}/log.csv" for name in shown_models() if config["models"][name]["train"] == "ranking"],
        retrieval=[f"results/cells/retrieval/{name}.json" for name in config["retrieval"]["models"]],
    output:
        page=report("results/table1.html", category="Table 1"),
    params:
        protocol=PROTOCOL.name,
        code=code("tables/table1_page.py"),
    log:
        "results/logs/table1_page.log",
    message:
        "A page with Table 1, mined pairs, filters and curves"
    script:
        "../scripts/tables/table1_page.py"
