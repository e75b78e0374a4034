"""Fixtures that several rooms share."""

import os
from pathlib import Path

import pytest

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
