# Tables: one file a cell, joined into Table 1 beside the paper's numbers.
#
# inputs   results/detection/detections/{row}.npz and VOC's annotations, or the server's scores
# outputs  results/cells/table1/{row}/{class}.json and mAP.json; results/table1.csv, .md, .html; results/differences.csv
# steps    average precision of a row's classes in one job, then joins


rule tables_table1:
    input:
        cells=plan.cells(plan.table1),
        bootstraps=expand("results/detection/bootstraps/{row}.npz", row=plan.table1),
    output:
        table=report("results/table1.csv", caption="../report/table1.rst", category="Table 1"),
        markdown="results/table1.md",
        differences="results/differences.csv",
    log:
        "results/logs/tables_table1.log",
    params:
        rows=config["table1"],
        classes=plan.classes,
        comparisons=config["comparisons"],
        protocol=plan.protocol.name,
        code=code("tables/tables_table1.py"),
    message:
        "Table 1 of protocol {params.protocol}"
    script:
        "../scripts/tables/tables_table1.py"


rule tables_page:
    input:
        table="results/table1.csv",
        differences="results/differences.csv",
        markdown="results/table1.md",
        sheets=[f"results/patches/{shard}.png" for shard in plan.patch_shards[:2]],
        summaries=[f"results/patches/{shard}.json" for shard in plan.patch_shards[:2]],
        conv1=expand("results/models/{model}/conv1.png", model=plan.shown_models()),
        logs=expand("results/models/{model}/log.csv", model=plan.ranked_models()),
        retrieval=expand("results/cells/retrieval/{model}.json", model=plan.retrieval_models()),
    output:
        page=report("results/table1.html", caption="../report/page.rst", category="Table 1"),
    log:
        "results/logs/tables_page.log",
    params:
        protocol=plan.protocol.name,
        code=code("tables/tables_page.py"),
    message:
        "A page with Table 1, mined pairs, filters and curves"
    script:
        "../scripts/tables/tables_page.py"


if evidence := config.get("evidence"):

    rule tables_evidence:
        input:
            means=expand("results/cells/table1/{row}/mAP.json", row=plan.seeded(evidence["rows"])),
            bootstraps=expand("results/detection/bootstraps/{row}.npz", row=plan.seeded(evidence["rows"])),
            retrieval=expand(
                "results/cells/retrieval/{model}.json", model=plan.seeded(sum(evidence["retrieval"].values(), []))
            ),
        output:
            markdown="results/evidence.md",
            table="results/evidence.csv",
        log:
            "results/logs/tables_evidence.log",
        params:
            evidence=evidence,
            code=code("tables/tables_evidence.py"),
        message:
            "Rows, differences and retrieval over {params.evidence[seeds]} seeds"
        script:
            "../scripts/tables/tables_evidence.py"
