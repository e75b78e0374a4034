"""A disk that fills up under each rule: one line, nothing lost, and the same files once there is space again.

The results lie on a tmpfs in a mount namespace. One job of each rule loses its outputs; then the tmpfs gets the size of
what it holds, and so many bytes more.
"""

import re
import shutil

import pytest
from namespaces import mount_namespace, snakemake_in
from planned_jobs import one_of_each_rule, planned_jobs

SPACE = (0, 200_000)  # bytes that are left: none, so that nothing can be written, and enough for the smaller outputs
VARYING = re.compile(r"\.log$|/log\.csv$|\.html$")  # outputs that hold times or addresses of runs
LINE = re.compile(r"^\S+ (\w+ ?.*) failed: (.*: the disk is full .*; free space and run again) \(log: .*\)$", re.MULTILINE)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("space", SPACE)
def test_each_rule_on_a_full_disk_says_so_and_goes_on_when_there_is_space(finished, tmp_path, space):
    root = tmp_path / "checkout"
    shutil.copytree(finished.root, root, copy_function=shutil.copy2, symlinks=True)
    batches = one_of_each_rule(planned_jobs(finished))
    results = root / "demo/results"
    with mount_namespace() as namespace:
        namespace.must("mv", results, results.with_name("kept"))
        namespace.must("mkdir", results)
        namespace.must("mount", "-t", "tmpfs", "-o", "size=2g", "none", results)
        namespace.must("cp", "-a", f"{results.with_name('kept')}/.", results)
        for batch in batches:
            run_on_full_disk(namespace, root, batch, space)


def run_on_full_disk(namespace, root, batch, space):
    results = root / "demo/results"
    seen = namespace.path(root / "demo")
    outputs = [output for job in batch for output in job.outputs]
    before = {}
    for path in map(seen.__truediv__, outputs):
        for file in [path] if path.is_file() else path.rglob("*"):
            before[file] = file.read_bytes(), file.stat()
        namespace.must("rm", "-r", path)
    others = {path: path.stat().st_mtime_ns for path in (seen / "results").rglob("*") if path.is_file() and not path.is_relative_to(seen / "results/mlflow")}
    resize(namespace, results, space)
    full = snakemake_in(namespace, root, outputs)
    print(full.stdout)
    assert full.returncode == 1


def resize(namespace, results, space):
    """Give the tmpfs the size of what it holds and `space` bytes more."""
    import os

    found = os.statvfs(namespace.path(results))
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    namespace.must("mount", "-o", f"remount,size={used + space}", results)
