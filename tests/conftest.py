"""Fixtures that several rooms share."""

import os
from pathlib import Path

# Before numpy and torch are imported: threads that wait for each other make busy cores ten times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest

pytest_plugins = ["worlds.devkit", "worlds.films"]
REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real clips and photos, or a skip that says where it was looked for."""
    folder = Path(os.environ.get("TRACKLEARN_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "videos").is_dir():
        pytest.skip(f"no real data at {folder}: set TRACKLEARN_DATA to a folder with videos/ and voc_mini/")
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top folder of the checkout."""
    return REPOSITORY
