"""Several processes that train one network, as torchrun starts them; with one process nothing here does anything.

Each process has a part of every batch and all parameters. What they compute is what one process would: the features of
all parts are gathered before the loss, so that a query's negatives come from the whole batch, and the gradient is the
sum over the parts.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.parallel import DistributedDataParallel

from tracklearn.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """The processes of one training: their number and this one's rank among them.

    Everything but `part` needs `joined`, unless there is one process only.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and reports."""
        return self.rank == 0

    def part(self, total: int) -> slice:
        """Its share of `total` examples in order; no two shares differ by more than one.

        Raises:
            UserError: fewer examples than processes.
        """
        if total < self.size:
            raise UserError(f"training: {total} examples a batch for {self.size} processes; expected at least one each")
        return slice(total * self.rank // self.size, total * (self.rank + 1) // self.size)

    def gather(self, part: Tensor, total: int) -> Tensor:
        """The rows (total, ...) of all processes in order, from this one's `part(total)` of them; differentiable.

        Every process must go on to the same scalar from them. Gradients are scaled so that their mean over the
        processes, which `parallel` takes, is that scalar's gradient.
        """
        return part if self.size == 1 else _Gather.apply(part, self, total)

    def parallel(self, net: nn.Module) -> nn.Module:
        """`net` with gradients that backward() averages over the processes, from the first one's parameters."""
        if self.size == 1:
            return net
        device = next(net.parameters()).device
        return Parallel(net, device_ids=[device] if device.type == "cuda" else None)

    def agreed(self, number: int) -> int:
        """The largest of the processes' numbers, without waiting for a GPU."""
        if self.size == 1:
            return number
        largest = torch.tensor(number)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    def from_first(self, value: T) -> T:
        """What the first process has, for all of them; anything that pickles."""
        if self.size == 1:
            return value
        held: list[Any] = [value]
        dist.broadcast_object_list(held, src=0, device=torch.device("cpu"))
        return held[0]

    def first_of(self, value: T | None) -> T | None:
        """The value of the first process that has one, for all of them; anything that pickles."""
        if self.size == 1:
            return value
        held: list[Any] = [None] * self.size
        dist.all_gather_object(held, value)
        return next((each for each in held if each is not None), None)

    def copy_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite the tensors of all processes by the first one's."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)


ALONE = World()


def expect_one_process(training: str) -> None:
    """Refuse what several processes would each compute whole.

    Raises:
        UserError: torchrun started more than one.
    """
    if (size := this_world().size) > 1:
        raise UserError(
            f"{training}: started in {size} processes; expected one, since only the ranking training shares its "
            "batches out; start it without torchrun"
        )


class Parallel(DistributedDataParallel):
    """With what objectives ask of a `CaffeNet` besides calling it."""

    @property
    def mean_bgr(self) -> tuple[float, ...]:
        """As the network's own."""
        mean: tuple[float, ...] = self.module.mean_bgr
        return mean


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, world: World, total: int) -> Tensor:
        ctx.rows, ctx.size = world.part(total), world.size
        whole = part.new_zeros(total, *part.shape[1:], dtype=torch.float32)
        whole[ctx.rows] = part
        dist.all_reduce(whole)  # sums with zeros are exact, and parts may differ in length
        return whole

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient[ctx.rows] * ctx.size, None, None


def this_world() -> World:
    """What torchrun set in the environment of this process, or one process."""
    return World(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


@contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """Join the other processes for as long as the block lasts: NCCL between GPUs, Gloo between CPUs.

    Raises:
        UserError: fewer GPUs on this machine than processes.
    """
    world = this_world()
    if world.size == 1:
        yield world
        return
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if device.type == "cuda" and torch.cuda.device_count() < here:
        raise UserError(
            f"training: {here} processes on a machine with {torch.cuda.device_count()} visible GPUs; expected one GPU "
            "each; start fewer processes"
        )
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield world
    finally:
        dist.destroy_process_group()
