"""What the Snakefile changes in Snakemake: jobs and paths of scripts are looked at no more often than they must be."""

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


PLANNED = """
import smart_open
from contextlib import suppress
from functools import cache
parse = smart_open.parse_uri

def counted(uri):
    with open("parsed", "a") as file:
        file.write(uri + "\\n")
    return parse(uri)

smart_open.parse_uri = counted

LINES
rule all:
    input: expand("{number}.txt", number=range(5))

rule one:
    output: "{number}.txt"
    script: "one.py"
"""


def test_the_path_of_a_script_is_parsed_once_for_all_jobs(repository, tmp_path):
    (lines,) = re.findall(r"with suppress\(ImportError\):\n(?: .*\n|\n)+", (repository / "Snakefile").read_text())
    (tmp_path / "Snakefile").write_text(PLANNED.replace("LINES", lines))
    (tmp_path / "one.py").touch()
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=300)
    parsed = (tmp_path / "parsed").read_text().split()
    assert parsed.count(str(tmp_path / "one.py")) == 1
