"""Snakemake's scheduler looks at all startable jobs when a job is done, and not ever more often."""

import re
import subprocess
import sys

WORKFLOW = """
rule all:
    input: expand("{number}.txt", number=range(12))

rule one:
    output: "{number}.txt"
    shell: "sleep 0.2; touch {output}"

onstart:
    LINE
    select = workflow.scheduler.job_selector

    def counted(jobs):
        with open("looks", "a") as file:
            file.write("look\\n")
        return select(jobs)

    workflow.scheduler.job_selector = counted
"""


def test_each_finished_job_makes_the_scheduler_look_once(repository, tmp_path):
    (line,) = re.findall(r"workflow\.scheduler\..*", (repository / "Snakefile").read_text())
    (tmp_path / "Snakefile").write_text(WORKFLOW.replace("LINE", line))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--scheduler", "greedy", "--quiet", "all"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=300)
    assert len((tmp_path / "looks").read_text().split()) <= 13
