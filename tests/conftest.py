"""Fixtures that several rooms share."""

import os
import signal
import sys
from pathlib import Path

# Before numpy and torch are imported: threads that wait for each other make busy cores ten times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Before Triton is imported: where there is no GPU, its kernels are interpreted.
if not Path("/dev/nvidiactl").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")
# Tests start hundreds of processes, each of which would compile this package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A shell has its background commands ignore Ctrl-C, and so would the processes that tests start and stop by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest

sys.dont_write_bytecode = False  # for forks of this process, see above
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none; only then is torch imported."""
    needing = [item for item in items if item.get_closest_marker("gpu")]
    if needing and not _has_gpu():
        for item in needing:
            item.add_marker(pytest.mark.skip(reason="no GPU"))


def _has_gpu() -> bool:
    import torch  # noqa: PLC0415 (slow)

    return torch.cuda.is_available()
