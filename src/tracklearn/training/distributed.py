"""Several processes that train one network, as torchrun starts them; for one process nothing here has an effect.

Each process has all parameters and a part of every batch. Together they compute what one process would: the features of
all parts are gathered before the loss, so that a query's negatives come from the whole batch, and the gradient is the
sum over the parts.
"""

import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
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
    """The processes of one training: their number, and the rank of this process among them.

    With several processes, all methods that exchange something need `joined_processes`.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return self.rank == 0

    def part(self, total: int) -> slice:
        """The part of `total` ordered examples that is this process's; the sizes of two parts differ by at most one.

        Raises:
            UserError: there are fewer examples than processes.
        """
        if total < self.size:
            raise UserError(f"training: {total} examples a batch for {self.size} processes; expected at least one each")
        return slice(total * self.rank // self.size, total * (self.rank + 1) // self.size)

    def gather(self, part: Tensor, total: int) -> Tensor:
        """Gather the rows (total, ...) of all processes in order, each giving its `part(total)`; differentiable.

        Every process must compute the same scalar from the rows. The gradients are scaled so that their mean over the
        processes, which `parallel` takes, is the gradient of that scalar.
        """
        return part if self.size == 1 else _Gather.apply(part, self, total)

    def parallel(self, net: nn.Module) -> nn.Module:
        """`net` with the first process's parameters; its backward() averages the gradients over the processes.

        Raises:
            UserError: the network normalises by the statistics of the batch, of which each process has a part only.
        """
        if self.size == 1:
            return net
        if any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules()):
            raise UserError(
                f"training: {self.size} processes, but the network has batch normalisation, whose statistics they do "
                "not share; train it in one process, or choose another network.backbone"
            )
        device = next(net.parameters()).device
        return Parallel(net, device_ids=[device] if device.type == "cuda" else None)

    def largest(self, number: int) -> int:
        """The largest of the processes' numbers, without waiting for a GPU."""
        if self.size == 1:
            return number
        maximum = torch.tensor(number)
        dist.all_reduce(maximum, dist.ReduceOp.MAX)
        return int(maximum)

    def value_of_first(self, value: T) -> T:
        """The first process's value, returned in all of them; it must pickle."""
        if self.size == 1:
            return value
        values: list[Any] = [value]
        dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]

    def first_error(self, error: UserError | None) -> UserError | None:
        """The error of the first process that has one, returned in all of them."""
        if self.size == 1:
            return error
        errors: list[Any] = [None] * self.size
        dist.all_gather_object(errors, error)
        return next((each for each in errors if each is not None), None)

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite the tensors of all processes by the first process's."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)


ALONE = World()
_trainings = itertools.count()  # numbers this process's trainings; the others run the same ones, so all agree


def expect_one_process(training: str) -> None:
    """Refuse several processes for a training that each of them would compute whole.

    Raises:
        UserError: torchrun started several processes.
    """
    if (size := this_world().size) > 1:
        raise UserError(
            f"{training}: started in {size} processes; expected one, since only the ranking training shares its "
            "batches out; start it without torchrun"
        )


class Parallel(DistributedDataParallel):
    """A network in several processes, with the method that objectives call beside the network itself."""

    def to_input(self, images: Tensor) -> Tensor:
        """See `Backbone.to_input`."""
        prepared: Tensor = self.module.to_input(images)
        return prepared


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, world: World, total: int) -> Tensor:
        ctx.rows, ctx.size = world.part(total), world.size
        whole = part.new_zeros(total, *part.shape[1:], dtype=torch.float32)
        whole[ctx.rows] = part
        dist.all_reduce(whole)  # parts may differ in length; sums with zeros are exact
        return whole

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient[ctx.rows] * ctx.size, None, None


def this_world() -> World:
    """The processes that torchrun's environment variables state; one process without them."""
    return World(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


@cache
def _store() -> dist.Store:
    """Where the processes find each other's addresses, connected to once, since the first process may serve it."""
    store: dist.Store = next(dist.rendezvous("env://"))[0]
    return store


@contextmanager
def joined_processes(device: torch.device) -> Iterator[World]:
    """Connect to the other processes within the block: by NCCL between GPUs, by Gloo between CPUs.

    Raises:
        UserError: this machine has fewer GPUs than processes.
    """
    world = this_world()
    if world.size == 1:
        yield world
        return
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if device.type == "cuda" and torch.cuda.device_count() < local:
        raise UserError(
            f"training: {local} processes on a machine with {torch.cuda.device_count()} visible GPUs; expected one GPU "
            "each; start fewer processes"
        )
    # The addresses of an earlier training stay in torchrun's store: without a name of its own, another training of the
    # same script would connect to ports that are closed.
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
        store=dist.PrefixStore(f"training {next(_trainings)}", _store()),
        rank=world.rank,
        world_size=world.size,
    )
    try:
        yield world
    finally:
        dist.destroy_process_group()
