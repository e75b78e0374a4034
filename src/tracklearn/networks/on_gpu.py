"""Where a GPU computes layers by kernels of this project instead of torch's operations."""

from types import ModuleType

import torch
from torch import Tensor

from tracklearn.machine.kernels import builds_kernels

KERNELS: ModuleType | None = None
if torch.cuda.is_available() and builds_kernels():
    from tracklearn.networks import kernels as KERNELS


def kernels_for(values: Tensor) -> ModuleType | None:
    """`networks.kernels` for values on the current GPU, where they can be built; None means torch's own operations."""
    here = values.is_cuda and values.device.index == torch.cuda.current_device()  # on which Triton starts kernels
    return KERNELS if here and values.dtype != torch.float64 else None
