"""A copy of the project with a tiny world, so that tests can edit code and run the whole workflow in seconds."""

import fcntl
import os

import numpy as np
import pytest
from checkout import Checkout
from PIL import Image
from tiny import run_tiny_experiment


@pytest.fixture(scope="session")
def finished(tmp_path_factory, repository) -> Checkout:
    """A copy in which the tiny experiment has run from raw video to Table 1; processes that test at once share it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    checkout = Checkout(shared / "checkout")
    with open(shared / "checkout.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "checkout.made").exists():
            run_tiny_experiment(checkout, repository)
            (shared / "checkout.made").touch()
    return checkout


@pytest.fixture
def checkout(finished, tmp_path) -> Checkout:
    """A copy of the finished experiment for one test to edit."""
    return finished.copy(tmp_path / "checkout")


@pytest.fixture
def published(checkout) -> dict:
    """The block `patches.import` for a new folder of four published pairs and their list, which make two shards."""
    folder = checkout.root / "demo/patches"
    folder.mkdir()
    lines = []
    for number in range(8):
        cells = np.random.default_rng(number).integers(0, 255, (9, 9, 3), np.uint8)
        Image.fromarray(cells).resize((99, 99)).save(folder / f"{number}.jpg")
        lines.append(f"{number}.jpg video{number // 2}")
    (folder / "list.txt").write_text("\n".join(lines) + "\n")
    return {"folder": "patches", "list": "patches/list.txt", "pairs_per_shard": 2}
