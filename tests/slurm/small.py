"""A part of the tiny experiment that is small enough for minutes on two cores."""

from pathlib import Path

from checkout import Checkout
from tiny import make_tiny_experiment

TABLES = ("table1.csv", "section6.csv", "table2.csv")
SIZES = {"videos": 5, "train": 6, "val": 2, "tune": 2, "test": 6, "per_class": 2, "per_scene": 4, "rooms": 4}
CHANGES = {
    "features": {"keep": False},  # as in the paper's experiment
    # The faults need a training that has not ended when its first line is in the log, five seconds after its start.
    "schedules": {"ranking-5M": {"lr": 0.001, "random_iterations": 600, "iterations": 600, "step": 400}},
    "table1": [{"id": "unsup-ft-8M", "label": "unsup + ft", "external": "8M", "models": ["unsup-8M-ft"]}],
    "comparisons": [],
    "section6": {
        "detection": [],
        "retrieval": [{"id": "unsup-8M", "label": "unsupervised", "external": "8M", "models": ["unsup-8M"]}],
        "scenes": [{"id": "unsup-8M", "label": "unsupervised", "models": ["unsup-8M"]}],
    },
    "table2": [
        {"id": "unsup-8M", "label": "unsup + ft", "paper": "unsup + ft", "models": ["normals-unsup-8M"]},
        {"id": "camera-axis", "label": "every surface faces the camera", "method": "camera_axis"},
    ],
}


def make_small_experiment(root: Path, repository: Path) -> Checkout:
    """Copy the project to `root` with the small experiment, of which nothing has run."""
    checkout = Checkout(root)
    make_tiny_experiment(checkout, repository, CHANGES, **SIZES)
    return checkout
