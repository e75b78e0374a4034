import os
import subprocess
import sys


def test_the_script_runs_without_a_gpu_too(repository, tmp_path):
    command = ["bash", str(repository / "benchmarks/gpu.sh")]
    environment = os.environ | {"PYTHON": sys.executable, "WHEELS": str(tmp_path), "DATA": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| ")]
    assert set(rows) == {
        "what",
        "matrix product",
        "ranking from memory",
        "ranking from shards",
        "fine-tuning",
        "features of windows",
        "retrieval",
        "detection by SVMs",
    }
    assert "whose figures mean nothing" in done.stdout
