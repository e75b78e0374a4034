"""A read-only results folder is one line before any job begins. Once the folder can be written, the run goes on."""

import shutil

from namespaces import mount_namespace, snakemake_in


def test_a_read_only_results_folder_is_told_before_any_job_begins(finished, tmp_path):
    root = tmp_path / "checkout"
    shutil.copytree(finished.root, root, copy_function=shutil.copy2, symlinks=True)
    results, target = root / "demo/results", "results/mining/00000/frames.csv"
    (root / "demo" / target).unlink()
    with mount_namespace() as namespace:
        namespace.must("mount", "--bind", results, results)
        namespace.must("mount", "-o", "remount,bind,ro", results)
        refused = snakemake_in(namespace, root, [target])
        assert refused.returncode == 1
        (line,) = [line for line in refused.stdout.splitlines() if line.startswith("tracklearn: ")]
        assert line.startswith("tracklearn: results: no file can be written there; mount it writable")
        assert "Traceback" not in refused.stdout
        assert " failed: " not in refused.stdout
        namespace.must("mount", "-o", "remount,bind,rw", results)
        mended = snakemake_in(namespace, root, [target])
        assert mended.returncode == 0, mended.stdout
    assert (root / "demo" / target).read_bytes() == (finished.root / "demo" / target).read_bytes()
