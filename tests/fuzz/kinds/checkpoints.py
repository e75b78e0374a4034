"""Checkpoints: the checksum shows that one is damaged, and the training resumes from the checkpoint before it."""

from pathlib import Path

import torch

from fuzz.kinds.safetensors import EDITS as WEIGHTS_EDITS
from tracklearn.training.checkpoint import NEWEST, PREVIOUS, Checkpoint, load_checkpoint, save_checkpoint

IDENTITY = {"training": "ranking", "schedule": {"lr": 0.001}, "stores": ["00000.h5"]}
EDITS = WEIGHTS_EDITS


def checkpoint(iteration: int) -> Checkpoint:
    weights = torch.full((20, 3), float(iteration))
    numbers = {"iteration": iteration, "summed": 1, "log": 7}
    return Checkpoint({"net": {"conv1.weight": weights}, "velocity": {"conv1.weight": -weights}}, numbers, IDENTITY)


def write_samples(folder: Path) -> None:
    for iteration in (1, 2):
        save_checkpoint(folder / "checkpoints", checkpoint(iteration))


def mutated(folder: Path) -> list[str]:
    return [f"checkpoints/{NEWEST}", f"checkpoints/{NEWEST}", f"checkpoints/{PREVIOUS}"]


def read(folder: Path, name: str) -> None:
    loaded = load_checkpoint(Path("checkpoints"), IDENTITY)
    assert loaded is not None  # one of the two is whole
    iteration = loaded.numbers["iteration"]
    assert iteration == 2 or name.endswith(NEWEST)
    expected = checkpoint(iteration)
    assert loaded.numbers == expected.numbers and loaded.identity == expected.identity
    for group, tensors in expected.tensors.items():
        assert loaded.tensors[group].keys() == tensors.keys()
        assert all(torch.equal(loaded.tensors[group][key], tensor) for key, tensor in tensors.items())
