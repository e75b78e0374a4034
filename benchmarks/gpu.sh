#!/usr/bin/env bash
# All that needs a GPU: the tests that compare its results with a CPU's, then a table of speeds.
# It needs torch, torchvision, numpy, numba, h5py, scipy, scikit-learn, OpenCV, pillow, safetensors and pytest, but neither
# Snakemake nor MLflow. Missing packages are installed from the wheels in WHEELS, if that folder is there.
#   DATA    folder with shards/*.h5 or videos/, and with voc_mini/ (default ../shared/data); noise without them
#   PYTHON  default python3
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
export PYTHONPATH="src:.${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
if compgen -G "${WHEELS:-benchmarks/wheels}/*.whl" >/dev/null; then
  site=$(mktemp -d)
  trap 'rm -r "$site"' EXIT
  "$PYTHON" -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "${WHEELS:-benchmarks/wheels}"/*.whl
  PYTHONPATH="$PYTHONPATH:$site"
fi
"$PYTHON" -m pytest -m gpu -p no:cacheprovider --timeout 240 $(grep -rl "mark.gpu" tests/unit) || failed=$?
"$PYTHON" -m benchmarks.gpu
exit "${failed:-0}"
