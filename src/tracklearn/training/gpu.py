"""How a GPU computes: the rounding of its products, its choice of convolutions, compiled or not.

On a CPU nothing here has an effect; a setting that asks for an effect is mentioned in the log.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TypeVar, cast

import torch

from tracklearn.errors import UserError

F = TypeVar("F", bound=Callable)

log = logging.getLogger(__name__)


@contextmanager
def set_precision(device: torch.device, precision: str) -> Iterator[None]:
    """Within the block, a GPU rounds float32 products and convolutions to TF32 only if `precision` is "tf32".

    torch's own default rounds convolutions alone. cuDNN tries its convolutions and takes the fastest one for each
    shape. A CPU computes "tf32" as "fp32".
    """
    if device.type != "cuda":
        if precision == "tf32":
            log.warning("precision is 'tf32' and there is no GPU; computing in fp32")
        yield
        return
    cudnn = torch.backends.cudnn
    products, convolutions = torch.backends.cuda.matmul, cudnn.conv  # type: ignore[attr-defined]
    before = products.fp32_precision == "tf32", convolutions.fp32_precision == "tf32", cudnn.benchmark
    _set_rounding(precision == "tf32", precision == "tf32", benchmark=True)
    try:
        yield
    finally:
        _set_rounding(*before[:2], benchmark=before[2])


def _set_rounding(products: bool, convolutions: bool, *, benchmark: bool) -> None:
    """Whether products and convolutions are rounded to TF32, and whether cuDNN tries its convolutions."""
    # torch has two interfaces for the rounding. torch.compile (up to torch 2.14 at least) reads the older one, which
    # raises after `fp32_precision` was set; set through the older one, both agree.
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        torch.set_float32_matmul_precision("high" if products else "highest")
        torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cudnn.benchmark = benchmark


def compiled(objective: F, device: torch.device, backend: str = "inductor") -> F:
    """`objective` with its forward pass, loss and gradient compiled for a GPU when it is first called.

    The network and the names of its parameters do not change. On a CPU `objective` itself is returned, since compiling
    gains nothing there.

    Raises:
        UserError: Triton is not installed.
    """
    if device.type != "cuda":
        log.warning("schedule: compile is true and there is no GPU; not compiled")
        return objective
    if find_spec("triton") is None:
        raise UserError("schedule: compile is true and Triton, which it needs, is not installed; set compile: false")
    # Dynamo ends a graph at the random generator and begins another one, which is intended.
    warnings.filterwarnings("ignore", "Dynamo does not know how to trace the builtin", UserWarning)
    return cast(F, torch.compile(objective, backend=backend))
