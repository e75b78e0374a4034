# Tables: Table 1, section 6 and Table 2 beside the paper's numbers, frozen networks, their pages, and the evidence over
# seeds and the questions that networks over seeds answer, joined from cells.
#
# inputs   results/cells/{table}/{protocol}/{row}/{column}.json, results/{stage}/{protocol}/bootstraps/{row}.npz
# outputs  results/tables/{protocol}/table1.csv, .md, .html and differences.csv; section6.csv, .md and .html; table2.csv,
#          .md and .html; frozen.csv, .md and .html; evidence.md and .csv; evidence_normals.md and .csv;
#          questions/{question}.md and .csv;
#          results/table1.csv and so on: copies of the tables of the configured protocol
# steps    join cells, copy the configured protocol's tables
from tracklearn.experiment.plan import TABLES


rule tables_table1:
    input:
        cells=plan.cells(plan.table1_rows),
        external="results/detection/{protocol}/external/table1.json",
        bootstraps=plan.bootstraps(plan.table1_rows),
    output:
        table=report(
            "results/tables/{protocol}/table1.csv",
            caption="../report/table1.rst",
            category="6.2.1 Object detection",
            subcategory="Tables",
            labels={"content": "Table 1 as CSV"},
        ),
        markdown="results/tables/{protocol}/table1.md",
        differences=report(
            "results/tables/{protocol}/differences.csv",
            caption="../report/differences.rst",
            category="6.2.1 Object detection",
            subcategory="Tables",
            labels={"content": "Differences between rows as CSV"},
        ),
    log:
        "results/logs/tables_table1/{protocol}.log",
    params:
        rows=config["table1"],
        classes=plan.voc.classes,
        comparisons=config["comparisons"],
        protocol=plan.protocol.name,
        of_voc=plan.protocol.of_voc,
        code=code("tables/tables_table1.py"),
    message:
        "Join the cells of protocol {params.protocol} into Table 1"
    script:
        "../scripts/tables/tables_table1.py"


rule tables_page:
    input:
        table="results/tables/{protocol}/table1.csv",
        differences="results/tables/{protocol}/differences.csv",
        sheets=lambda wildcards: plan.mining.shard_files(".png")[:2] if plan.ranking_models() else [],
        summaries=lambda wildcards: plan.mining.shard_files(".json")[:2] if plan.ranking_models() else [],
    output:
        page=report(
            "results/tables/{protocol}/table1.html",
            caption="../report/page.rst",
            category="6.2.1 Object detection",
            subcategory="Tables",
            labels={"content": "Table 1, with mined pairs"},
        ),
    log:
        "results/logs/tables_page/{protocol}.log",
    params:
        protocol=plan.protocol.name,
        section6=bool(plan.section6.tasks),
        table2=bool(plan.normals.rows),
        rows_with_pages=plan.rows_with_pages(),
        compared=plan.compared_rows(),
        code=code("tables/tables_page.py"),
    message:
        "Write a page with Table 1 and mined pairs"
    script:
        "../scripts/tables/tables_page.py"


rule tables_section6:
    input:
        cells=[cell for task in plan.section6.tasks for cell in plan.section6.cells(task)],
        bootstraps=[path for task in plan.section6.tasks for path in plan.section6.bootstraps(task)],
        external="results/detection/{protocol}/external/section6.json",
    output:
        table=report(
            "results/tables/{protocol}/section6.csv",
            caption="../report/section6.rst",
            category="6.1 Features without fine-tuning",
            subcategory="Tables",
            labels={"content": "Section 6.1 as CSV"},
        ),
        markdown="results/tables/{protocol}/section6.md",
        page=report(
            "results/tables/{protocol}/section6.html",
            caption="../report/section6.rst",
            category="6.1 Features without fine-tuning",
            subcategory="Tables",
            labels={"content": "Detection, retrieval and scenes"},
        ),
    log:
        "results/logs/tables_section6/{protocol}.log",
    params:
        rows=plan.section6.tasks,
        protocol=plan.protocol.name,
        papers_data=plan.section6.papers_data(),
        ridge=config["retrieval"]["elda"]["ridge"],
        figure7=bool(plan.figures.figure7_page()),
        code=code("tables/tables_section6.py"),
    message:
        "Join the cells of protocol {params.protocol} into the table of section 6"
    script:
        "../scripts/tables/tables_section6.py"


rule tables_table2:
    input:
        cells=plan.normals.cells(),
        bootstraps=plan.normals.bootstraps(),
        external="results/detection/{protocol}/external/table2.json",
    output:
        table=report(
            "results/tables/{protocol}/table2.csv",
            caption="../report/table2.rst",
            category="6.2.2 Surface normals",
            subcategory="Tables",
            labels={"content": "Table 2 as CSV"},
        ),
        markdown="results/tables/{protocol}/table2.md",
        page=report(
            "results/tables/{protocol}/table2.html",
            caption="../report/table2.rst",
            category="6.2.2 Surface normals",
            subcategory="Tables",
            labels={"content": "Table 2"},
        ),
    log:
        "results/logs/tables_table2/{protocol}.log",
    params:
        rows=plan.normals.rows,
        protocol=plan.protocol.name,
        figure8=bool(plan.normals.figure8_page()),
        code=code("tables/tables_table2.py"),
    message:
        "Join the cells of surface normals into Table 2"
    script:
        "../scripts/tables/tables_table2.py"


rule tables_frozen:
    input:
        cells=plan.frozen.cells(),
        bootstraps=plan.frozen.bootstraps(),
        external="results/detection/{protocol}/external/frozen.json",
    output:
        table=report(
            "results/tables/{protocol}/frozen.csv",
            caption="../report/frozen.rst",
            category="6.1 Features without fine-tuning",
            subcategory="Tables",
            labels={"content": "Frozen networks as CSV"},
        ),
        markdown="results/tables/{protocol}/frozen.md",
        page=report(
            "results/tables/{protocol}/frozen.html",
            caption="../report/frozen.rst",
            category="6.1 Features without fine-tuning",
            subcategory="Tables",
            labels={"content": "Frozen networks"},
        ),
    log:
        "results/logs/tables_frozen/{protocol}.log",
    params:
        rows=plan.frozen.rows,
        columns=plan.frozen.columns(),
        protocol=plan.protocol.name,
        code=code("tables/tables_frozen.py"),
    message:
        "Join the cells of frozen networks into a table"
    script:
        "../scripts/tables/tables_frozen.py"


# A cell that cannot be computed says why, so that the table is made all the same.
rule tables_empty_cell:
    output:
        cell="results/cells/{table}/{protocol}/{cell}.json",
    log:
        "results/logs/tables_empty_cell/{table}/{protocol}/{cell}.log",
    wildcard_constraints:
        table="section6|table2|frozen",
        cell=names([*plan.section6.empty(), *plan.normals.empty(), *plan.frozen.empty()]),
    params:
        reason=lambda wildcards: {
            "section6": plan.section6.lack,
            "table2": plan.normals.lack,
            "frozen": lambda column, model: plan.frozen.lack(model),
        }[wildcards.table](*wildcards.cell.split("/")),
        code=code("tables/tables_empty_cell.py"),
    message:
        "Leave the cell {wildcards.cell} of {wildcards.table} empty: {params.reason}"
    script:
        "../scripts/tables/tables_empty_cell.py"


if evidence := config["evidence"]:
    retrieval_models = plan.seeded(sum(evidence["retrieval"].values(), []))

    rule tables_evidence:
        input:
            means=expand(
                f"results/cells/table1/{plan.protocol.name}/{{row}}/mAP.json", row=plan.seeded(evidence["rows"])
            ),
            bootstraps=plan.bootstraps(plan.seeded(evidence["rows"])),
            retrieval=plan.section6.cells("retrieval", retrieval_models),
            retrieval_bootstraps=plan.section6.bootstraps("retrieval", retrieval_models),
        output:
            markdown="results/tables/{protocol}/evidence.md",
            table=report(
                "results/tables/{protocol}/evidence.csv",
                caption="../report/evidence.rst",
                category="6.2.1 Object detection",
                subcategory="Tables",
                labels={"content": "Rows over seeds as CSV"},
            ),
        log:
            "results/logs/tables_evidence/{protocol}.log",
        params:
            evidence=evidence,
            code=code("tables/tables_evidence.py"),
        message:
            "Join rows, differences and retrieval over {params.evidence[seeds]} seeds"
        script:
            "../scripts/tables/tables_evidence.py"


if config["evidence_normals"]:

    rule tables_evidence_normals:
        input:
            cells=plan.normals.cells(plan.normals.evidence_models()),
            bootstraps=plan.normals.bootstraps(plan.normals.evidence_models()),
        output:
            markdown="results/tables/{protocol}/evidence_normals.md",
            table=report(
                "results/tables/{protocol}/evidence_normals.csv",
                caption="../report/evidence_normals.rst",
                category="6.2.2 Surface normals",
                subcategory="Tables",
                labels={"content": "Networks over seeds as CSV"},
            ),
        log:
            "results/logs/tables_evidence_normals/{protocol}.log",
        params:
            evidence=config["evidence_normals"],
            code=code("tables/tables_evidence_normals.py"),
        message:
            "Join the networks of surface normals over {params.evidence[seeds]} seeds"
        script:
            "../scripts/tables/tables_evidence_normals.py"


rule tables_question:
    input:
        cells=lambda wildcards: plan.questions.cells(wildcards.question),
        bootstraps=lambda wildcards: plan.questions.bootstraps(wildcards.question),
        logs=lambda wildcards: plan.questions.logs(wildcards.question),
        detections=lambda wildcards: plan.questions.detections(wildcards.question),
        detection_bootstraps=lambda wildcards: plan.bootstraps(plan.questions.rows(wildcards.question)),
    output:
        markdown="results/tables/{protocol}/questions/{question}.md",
        table=report(
            "results/tables/{protocol}/questions/{question}.csv",
            caption="../report/question.rst",
            category="Questions",
            subcategory="Tables",
            labels={"content": "{question} as CSV"},
        ),
    log:
        "results/logs/tables_question/{protocol}/{question}.log",
    wildcard_constraints:
        question=names(plan.questions.by_id),
    params:
        question=lambda wildcards: plan.questions.by_id[wildcards.question],
        code=code("tables/tables_question.py"),
    message:
        "{params.question[question]} Join {params.question[seeds]} seeds"
    script:
        "../scripts/tables/tables_question.py"


# The tables of all protocols stand side by side. The short paths hold copies of the configured protocol's tables. Links of
# a page lead two folders up where they lead out of its folder; seen from results/ these steps fall away.
rule tables_configured:
    input:
        file=f"results/tables/{plan.protocol.name}/{{table}}",
    output:
        copied="results/{table}",
    log:
        "results/logs/tables_configured/{table}.log",
    wildcard_constraints:
        table=names(TABLES),
    localrule: True
    params:
        code=code("tables/tables_configured.py"),
    message:
        "Copy {wildcards.table} of the configured protocol"
    script:
        "../scripts/tables/tables_configured.py"
