"""Where a GPU computes layers by kernels of this project instead of torch's operations."""

from importlib.util import find_spec
from types import ModuleType

import torch
from torch import Tensor

KERNELS: ModuleType | None = None
if torch.cuda.is_available() and find_spec("triton"):
    from tracklearn.networks import kernels as KERNELS


def kernels_for(values: Tensor) -> ModuleType | None:
    """`networks.kernels` for values on a GPU, if Triton is installed; None means torch's own operations."""
    return KERNELS if values.is_cuda and values.dtype != torch.float64 else None
