"""How a GPU computes: the rounding of its products, its choice of convolutions, compiled or not.

On a CPU nothing here changes anything, and what was asked for is told to be left out.
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
def computing(device: torch.device, precision: str) -> Iterator[None]:
    """For as long as the block lasts, round a GPU's products and convolutions of float32 to TF32 only for `tf32`.

    torch's own default rounds convolutions alone. The fastest convolution of each shape is found by trying. A CPU
    computes `tf32` as `fp32`.
    """
    if device.type != "cuda":
        if precision == "tf32":
            log.warning("schedule: precision is 'tf32' and there is no GPU; computing in fp32")
        yield
        return
    cudnn = torch.backends.cudnn
    products, convolutions = torch.backends.cuda.matmul, cudnn.conv  # type: ignore[attr-defined]
    before = products.fp32_precision == "tf32", convolutions.fp32_precision == "tf32", cudnn.benchmark
    _set(precision == "tf32", precision == "tf32", True)
    try:
        yield
    finally:
        _set(*before)


def _set(products: bool, convolutions: bool, trying: bool) -> None:
    # Through `fp32_precision` alone torch.compile would fail: until torch 2.14 at least it reads these two, which raise
    # where the others were set. Set by these, both agree.
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        torch.set_float32_matmul_precision("high" if products else "highest")
        torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cudnn.benchmark = trying


def compiled(objective: F, device: torch.device, backend: str = "inductor") -> F:
    """`objective` with its forward pass, loss and gradient compiled for a GPU, when it is first called.

    The network and the names of its parameters stay what they are. On a CPU it is `objective` itself: it gains nothing
    there.

    Raises:
        UserError: no Triton.
    """
    if device.type != "cuda":
        log.warning("schedule: compile is true and there is no GPU; not compiled")
        return objective
    if find_spec("triton") is None:
        raise UserError("schedule: compile is true and Triton, which it needs, is not installed; set compile: false")
    # What follows a graph's end at the random generator is a graph of its own; there is nothing to be told.
    warnings.filterwarnings("ignore", "Dynamo does not know how to trace the builtin", UserWarning)
    return cast(F, torch.compile(objective, backend=backend))
