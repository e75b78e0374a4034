"""Whether kernels in Triton's language can run here."""

import os
import shutil
import sysconfig
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def builds_kernels() -> bool:
    """Whether Triton is installed and finds what it builds kernels with: a C compiler and Python's headers."""
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    headers = Path(sysconfig.get_paths()["include"], "Python.h")
    return bool(find_spec("triton") and compiler and headers.exists())
