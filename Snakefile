# Learning visual features from unlabelled video by tracking (Wang & Gupta, ICCV 2015), from a list of videos to Table 1.
#
# config/config.yaml beside this file is the paper's experiment. Run in another folder (`snakemake --directory demo`),
# the config/config.yaml of that folder says what differs from it. workflow/Snakefile is a link to this file.
import gc
import os
import shlex
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

# Where another Snakefile imports this one as a module, the main Snakefile is not this file.
HERE = Path(workflow.included_stack[-1].get_path_or_uri(secret_free=False)).resolve().parent
sys.path.insert(0, str(HERE / "src"))

# Snakemake writes the interpreter's path into shell commands without quotes. Where the path needs quotes, the shell finds
# the interpreter by its name.
if shlex.quote(sys.executable) != sys.executable:
    interpreter = Path(sys.executable)
    os.environ.update(PATH=os.pathsep.join([str(interpreter.parent), *os.get_exec_path()]))
    sys.executable = interpreter.name

# The graph of jobs and the syntax trees behind the digests of code are no garbage: collecting less often saves a tenth of
# the planning.
gc.set_threshold(100_000)

# Of each job, Snakemake asks three times where its script lies, and smart_open makes a class for each answer. That is a
# third of the planning of 50,000 jobs.
with suppress(ImportError):
    import smart_open

    smart_open.parse_uri = cache(smart_open.parse_uri)


configfile: HERE / "config/config.yaml"


if Path("config/config.yaml").exists():

    configfile: "config/config.yaml"


report: HERE / "workflow/report/workflow.rst"


include: HERE / "workflow/rules/common.smk"
include: HERE / "workflow/rules/videos.smk"
include: HERE / "workflow/rules/mining.smk"
include: HERE / "workflow/rules/patches.smk"
include: HERE / "workflow/rules/voc.smk"
include: HERE / "workflow/rules/models.smk"
include: HERE / "workflow/rules/features.smk"
include: HERE / "workflow/rules/detection.smk"
include: HERE / "workflow/rules/retrieval.smk"
include: HERE / "workflow/rules/scenes.smk"
include: HERE / "workflow/rules/frozen.smk"
include: HERE / "workflow/rules/normals.smk"
include: HERE / "workflow/rules/tables.smk"
include: HERE / "workflow/rules/figures.smk"


rule all:
    input:
        "results/table1.csv",
        "results/table1.md",
        "results/differences.csv",
        "results/table1.html",
        ["results/section6.csv", "results/section6.md", "results/section6.html", "results/figures.html"]
        if plan.section6.tasks
        else [],
        ["results/frozen.csv", "results/frozen.md", "results/frozen.html"] if plan.frozen.rows else [],
        ["results/table2.csv", "results/table2.md", "results/table2.html"] if plan.normals.rows else [],
        plan.detection_pages(),
        plan.figures.figure7_page(),
        plan.normals.figure8_page(),
        f"results/models/{plan.protocol.name}/models.html",
        f"results/scenes/{plan.protocol.name}/scenes.html" if plan.section6.confusions() else [],
        ["results/patches/pairs.parquet", "results/patches/pairs.html"] if plan.ranking_models() else [],


# The pairs of all videos in the list. They need no other data.
rule pairs:
    input:
        lambda wildcards: plan.mining.shard_files(".h5"),
        "results/patches/pairs.parquet",
        "results/patches/pairs.html",


# The unreachable videos of finished shards are tried again. `pairs` then mines the shards that have gained videos.
rule retry_unreachable:
    input:
        lambda wildcards: [f"results/videos/retried/{shard}" for shard in plan.mining.shards_with_unreachable_videos()],
    log:
        "results/logs/retry_unreachable.log",
    localrule: True
    shell:
        "rm -rf results/videos/retried 2> {log}"


# A card beside each trained network of the tables: what it is, its figures, how to use and to cite it.
rule cards:
    input:
        plan.cards.files(),


from tracklearn.experiment.command_line import check_executor
from tracklearn.experiment.killed_runs import remove_leftovers
from tracklearn.pages.index import write_index
from tracklearn.runs import start_sender


onstart:
    # Only now are the settings known that a profile gives to the plugin that runs the jobs.
    with exit_with_one_line():
        check_executor(workflow.executor_settings)
    # Snakemake's limit of 100 started jobs a second makes it look for startable jobs every second, once more for each job
    # that is done (its pull request 3744). Thousands of jobs would keep a core busy with that.
    workflow.scheduler.job_rate_limiter = None
    # Jobs leave their runs on disk; this process sends them to MLflow while they go on, and ends when all are sent.
    with exit_with_one_line():
        start_sender()
        # What the next run has to know, so that trained nets keep their shards.
        plan.mining.record_boundaries()
        plan.subsets.record_counts()


onsuccess:
    with exit_with_one_line():
        remove_leftovers(local=workflow.local_exec)
        write_index()


onerror:
    with exit_with_one_line():
        remove_leftovers(local=workflow.local_exec)
        write_index()
