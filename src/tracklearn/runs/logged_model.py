"""A trained network as a logged model of its run, which MLflow can load."""

import platform
from pathlib import Path

from tracklearn.files import atomic, write_text
from tracklearn.runs.spool import link_or_copy

# How MLflow loads a network: https://mlflow.org/docs/latest/ml/model/#storage-format
MLMODEL = """flavors:
  python_function:
    loader_module: tracklearn.networks.pyfunc
    data: weights.safetensors
    python_version: {python}
signature:
  inputs: '[{{"type": "tensor", "tensor-spec": {{"dtype": "uint8", "shape": [-1, -1, -1, 3]}}}}]'
  outputs: '[{{"type": "tensor", "tensor-spec": {{"dtype": "float32", "shape": [-1, -1]}}}}]'
  params: '[{{"name": "layer", "type": "string", "default": "pool5", "shape": null}}]'
"""


def keep_network(weights: str | Path, folder: Path) -> None:
    """Keep the weights under a second name: files are replaced, never changed, so a later network is another."""
    with atomic(folder / "weights.safetensors") as temporary:
        link_or_copy(Path(weights), temporary)
    write_text(folder / "MLmodel", MLMODEL.format(python=platform.python_version()))
