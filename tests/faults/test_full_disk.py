"""A disk that fills up under each rule: one line, nothing lost, and the same files once there is space again.

The results lie on a tmpfs in a mount namespace. One job of each rule loses its outputs; then the tmpfs gets the size of
what it holds, and so many bytes more.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from namespaces import Namespace, mount_namespace, snakemake_in
from planned_jobs import VARYING, PlannedJob, files_of, one_of_each_rule, planned_jobs

SPACE = (12_000, 200_000)  # bytes that are left
RULES = os.environ.get("RULES", "").split()  # the rules to try; all of them if none is named
FAILED = re.compile(r"^\d\S+ \S+Z (.+) failed: ", re.MULTILINE)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("space", SPACE)
def test_each_rule_on_a_full_disk_says_so_and_goes_on_when_there_is_space(finished, tmp_path, space):
    root = tmp_path / "checkout"
    shutil.copytree(finished.root, root, copy_function=shutil.copy2, symlinks=True)
    batches = [
        [job for job in batch if not RULES or job.rule in RULES] for batch in one_of_each_rule(planned_jobs(finished))
    ]
    with mount_namespace() as namespace:
        results = on_tmpfs(namespace, root / "demo/results")
        failed = [name for batch in filter(None, batches) for name in run_on_full_disk(namespace, root, batch, space)]
        send = [sys.executable, "-m", "tracklearn.runs.sender", "send"]
        sent = namespace.run(*send, folder=root / "demo", environment={"PYTHONPATH": str(root / "src")})
        assert sent.returncode == 0, sent.stdout
        assert "Traceback" not in (namespace.path(results) / "mlflow/sender.log").read_text()
        assert not [path for path in namespace.path(results).rglob(".*") if ".tmp" in path.name]
    print(f"{len(failed)} of {sum(map(len, batches))} jobs met the full disk, with {space} bytes left: {failed}")
    assert failed


def on_tmpfs(namespace: Namespace, results: Path) -> Path:
    """Move the results to a tmpfs."""
    namespace.must("mv", results, results.with_name("kept"))
    namespace.must("mkdir", results)
    namespace.must("mount", "-t", "tmpfs", "-o", "size=4g", "none", results)
    namespace.must("cp", "-a", f"{results.with_name('kept')}/.", results)
    return results


def run_on_full_disk(namespace: Namespace, root: Path, batch: list[PlannedJob], space: int) -> list[str]:
    """Run jobs again whose outputs are removed, first on a full disk; return the names of those that met it."""
    outputs = [output for job in batch for output in job.outputs]
    seen = namespace.path(root / "demo")
    before = {path: (path.read_bytes(), path.stat()) for path in files_of(seen, outputs)}
    for output in outputs:
        namespace.must("rm", "-r", root / "demo" / output)
    others = modified(seen)
    resize(namespace, root / "demo/results", space)
    full = snakemake_in(namespace, root, outputs)
    failed = FAILED.findall(full.stdout)
    said = [line for line in full.stdout.splitlines() if re.search("disk is full.*; free space and run again", line)]
    assert (full.returncode == 1) == bool(failed), full.stdout
    assert "Traceback" not in full.stdout, full.stdout
    for name in failed:
        assert any(name in line for line in said), f"{name}: {full.stdout}"
    assert {path: time for path, time in modified(seen).items() if path in others} == others
    namespace.must("mount", "-o", "remount,size=4g", root / "demo/results")
    mended = snakemake_in(namespace, root, outputs)
    assert mended.returncode == 0, mended.stdout
    for path, (content, status) in before.items():
        assert VARYING.search(path.name) or path.read_bytes() == content, path
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # for what was made from it
    print(f"{', '.join(job.rule for job in batch)}: {len(failed)} met the full disk", flush=True)
    return failed


def modified(folder: Path) -> dict[Path, int]:
    """When each result was modified, without logs, records of runs, and what the next run of Snakemake writes anew."""
    results = folder / "results"
    anew = (results / "mlflow", results / "logs", results / "index.html", results / "videos/shards.json")
    return {
        path: path.stat().st_mtime_ns
        for path in results.rglob("*")
        if path.is_file() and not path.is_relative_to(anew[0]) and not path.is_relative_to(anew[1]) and path not in anew
    }


def resize(namespace: Namespace, results: Path, space: int) -> None:
    """Give the tmpfs the size of what it holds and `space` bytes more."""
    found = os.statvfs(namespace.path(results))
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    namespace.must("mount", "-o", f"remount,size={used + space}", results)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("space", [0, 300_000, 1_500_000])
def test_the_sender_on_a_full_disk_says_so_and_sends_all_when_there_is_space(finished, tmp_path, space):
    """Nothing can be written; the schema of the database does not fit; a part of the runs fits."""
    spool = tmp_path / "demo/results/mlflow"
    ignore = shutil.ignore_patterns("mlflow.db", "sent", "artifacts")
    shutil.copytree(finished.root / "demo/results/mlflow", spool, copy_function=shutil.copy2, ignore=ignore)
    runs = {path.name: (path / "events.jsonl").read_bytes() for path in (spool / "runs").iterdir()}
    send = [sys.executable, "-m", "tracklearn.runs.sender", "send"]
    where = {"folder": tmp_path / "demo", "environment": {"PYTHONPATH": str(finished.root / "src")}}
    with mount_namespace() as namespace:
        on_tmpfs(namespace, spool.parent)
        resize(namespace, spool.parent, space)
        full = namespace.run(*send, **where)
        print(full.stdout)
        assert full.returncode in (1, 2)
        assert "disk is full" in full.stdout
        assert "Traceback" not in full.stdout
        namespace.must("mount", "-o", "remount,size=4g", spool.parent)
        mended = namespace.run(*send, **where)
        assert mended.returncode == 0, mended.stdout
        seen = namespace.path(spool)
        assert {path.name: (path / "events.jsonl").read_bytes() for path in (seen / "runs").iterdir()} == runs
        assert {path.stem for path in (seen / "sent/local").iterdir()} == runs.keys()
