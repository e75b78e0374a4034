"""A file with a bad block: one line that names the file, nothing lost, and the same files once the disk is mended."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from planned_jobs import VARYING, planned_jobs

SOURCE = Path(__file__).with_name("broken_reads.c")
VIDEO, SHARD = "world/videos/clip0000.mp4", "results/patches/00000.h5"
MIDDLE = 0.5  # of the file's length, where the bad block is

CASES = {  # rule -> the file with the bad block, and where in the file it is; None: the first input
    "videos_download": (VIDEO, MIDDLE),
    "mining_filter": (VIDEO, MIDDLE),
    "mining_track": (VIDEO, MIDDLE),
    "patches_pack": (VIDEO, MIDDLE),
    "patches_sheet": (SHARD, 0.0),
    "models_ranking": (SHARD, MIDDLE),
    "voc_proposals": ("JPEGImages/test_00000.jpg", MIDDLE),
    "models_finetuning": ("JPEGImages/train_00000.jpg", MIDDLE),
    "normals_truth": ("labeled.mat", MIDDLE),
    "detection_svms": ("trainval-0.h5", MIDDLE),
    "detection_detect": ("svms/both.npz", MIDDLE),
    "detection_evaluate": ("detections/both.npz", MIDDLE),
    "features_extract": ("weights.safetensors", MIDDLE),
    "tables_table1": ("both/mAP.json", 0.0),
    "tables_page": ("table1.csv", 0.0),
}


@pytest.fixture(scope="session")
def broken_reads(tmp_path_factory) -> Path:
    """The library that makes reads fail."""
    library = tmp_path_factory.mktemp("preload") / "broken_reads.so"
    if sys.platform != "linux" or not shutil.which("gcc"):
        pytest.skip("reads cannot be made to fail here: this needs Linux and gcc")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", library, SOURCE, "-ldl"], check=True)
    return library


@pytest.mark.timeout(3600)
def test_a_bad_block_is_named_in_one_line_and_costs_nothing(finished, broken_reads, tmp_path):
    root = tmp_path / "checkout"
    shutil.copytree(finished.root, root, copy_function=shutil.copy2, symlinks=True)
    folder = root / "demo"
    jobs = sorted(planned_jobs(finished), key=lambda job: job.log)
    for rule, (name, place) in CASES.items():
        # Photos and videos are no inputs of Snakemake: each job of these rules reads the first ones.
        job = max(
            (job for job in jobs if job.rule == rule), key=lambda job: any(each.endswith(name) for each in job.inputs)
        )
        before = {}
        for path in (folder / output for output in job.outputs):
            before[path] = path.read_bytes(), path.stat()
            path.unlink()
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file() and str(path).endswith(name)]
        assert sizes, name
        bad_block = {"BROKEN_FILE": name, "BROKEN_BYTE": str(int(place * min(sizes))), "LD_PRELOAD": str(broken_reads)}
        broken = snakemake(root, job.outputs, bad_block)
        line = re.search(rf"^.* {rule}\b.* failed: (.*)$", broken.stdout, re.MULTILINE)
        assert broken.returncode == 1, f"{rule}: {broken.stdout}"
        assert "Traceback" not in broken.stdout, f"{rule}: {broken.stdout}"
        assert line, f"{rule}: {broken.stdout}"
        assert name in line[1], f"{rule}: {broken.stdout}"
        print(line[0])
        mended = snakemake(root, job.outputs, {})
        assert mended.returncode == 0, mended.stdout
        for path, (content, status) in before.items():
            assert VARYING.search(path.name) or path.read_bytes() == content, path
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # for what was made from it


def snakemake(root: Path, targets: tuple[str, ...], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run snakemake on the experiment in demo/."""
    command = [sys.executable, "-m", "snakemake", "--directory", "demo", "--cores", "1", "--", *targets]
    ours = {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command,
        cwd=root,
        env=os.environ | ours | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
