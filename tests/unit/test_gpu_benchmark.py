import math
import os
import subprocess
import sys


def test_the_script_runs_without_a_gpu_too(repository, tmp_path):
    command = ["bash", str(repository / "benchmarks/gpu.sh")]
    environment = os.environ | {"PYTHON": sys.executable, "WHEELS": str(tmp_path), "DATA": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    header, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    assert header == ["what", "how", "rate", "remark", "goal"]
    assert {row[0] for row in rows} == {
        "matrix product",
        "ranking from memory",
        "ranking from shards",
        "fine-tuning",
        "features of windows",
        "retrieval",
        "detection by SVMs",
    }
    for row in rows:
        number, _, unit = row[2].partition(" ")
        assert 0 < float(number.replace(",", "")) < math.inf and unit.endswith("/s"), row
    assert "whose figures mean nothing" in done.stdout
