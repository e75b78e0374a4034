# Learning visual features from unlabelled video by tracking (Wang & Gupta, ICCV 2015), from a list of videos to Table 1.
#
# config/config.yaml beside this file is the paper's experiment. Run in another folder (`snakemake --directory demo`),
# the config/config.yaml of that folder says what differs from it.
import gc
import sys
from pathlib import Path

HERE = Path(workflow.basedir)
sys.path.insert(0, str(HERE / "src"))

# The graph of jobs and the syntax trees behind the digests of code are no garbage: collecting less often saves a tenth of
# the planning.
gc.set_threshold(100_000)


configfile: HERE / "config/config.yaml"


if Path("config/config.yaml").exists():

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/videos.smk"
include: "workflow/rules/mining.smk"
include: "workflow/rules/patches.smk"
include: "workflow/rules/voc.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/detection.smk"
include: "workflow/rules/retrieval.smk"
include: "workflow/rules/scenes.smk"
include: "workflow/rules/normals.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"


rule all:
    input:
        "results/table1.csv",
        "results/table1.md",
        "results/differences.csv",
        "results/table1.html",
        ["results/section6.csv", "results/section6.md", "results/section6.html", "results/figures.html"]
        if plan.section6.tasks
        else [],
        ["results/table2.csv", "results/table2.md", "results/table2.html"] if plan.normals.rows else [],
        plan.detection_pages(),
        plan.figures.figure7_page(),
        plan.normals.figure8_page(),
        f"results/models/{plan.protocol.name}/models.html",
        f"results/scenes/{plan.protocol.name}/scenes.html" if plan.section6.confusions() else [],
        lambda wildcards: plan.mined_files("results/patches/{}.html")[:1] if plan.ranking_models() else [],


# The pairs of all videos in the list. They need no other data.
rule pairs:
    input:
        lambda wildcards: plan.shard_files(".h5"),
        "results/patches/pairs.parquet",
        "results/patches/pairs.html",


# A card beside each trained network of the tables: what it is, its figures, how to use and to cite it.
rule cards:
    input:
        plan.cards.files(),


onstart:
    # Jobs leave their runs on disk; this process sends them to MLflow while they go on, and ends when all are sent.
    start_sender()
    plan.record_shards()


onsuccess:
    write_index()


onerror:
    write_index()
