"""The `schedule` and `saving` blocks of the config: how long, how fast, how many at a time; how often to save."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar, Self, cast

from tracklearn.errors import UserError

EXPECTED: dict[Any, str] = {
    float: "a finite number",
    int: "a whole number",
    int | None: "a whole number, or null",
    str: "a word",
    bool: "true or false",
}
PRECISIONS = ("fp32", "tf32", "bf16")


class Block:
    """A dataclass that is read from a block of the config."""

    block: ClassVar[str]
    positive: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value, kind = getattr(self, field.name), cast(type, field.type)
            fits = isinstance(value, float | int if kind is float else kind)
            if not fits or (isinstance(value, bool) and kind is not bool) or (kind is float and not isfinite(value)):
                raise UserError(f"{self.block}: {field.name} is {value!r}; expected {EXPECTED[kind]}")
        for name in self.positive:
            if getattr(self, name) <= 0:
                raise UserError(f"{self.block}: {name} is {getattr(self, name)}; expected a number above 0")

    @classmethod
    def from_config(cls, values: Mapping[str, Any]) -> Self:
        """What the config says, defaults for the rest.

        Raises:
            UserError: unknown or missing key, or a value out of range.
        """
        fields = {field.name: field.default is dataclasses.MISSING for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        if unknown := sorted(set(values) - set(fields)):
            raise UserError(f"{cls.block}: unknown key {unknown[0]!r}; expected some of {', '.join(fields)}")
        if missing := [name for name, required in fields.items() if required and name not in values]:
            raise UserError(f"{cls.block}: {missing[0]} is missing; it has no default")
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class Saving(Block):
    """How often a training writes to disk, which changes no weights.

    Attributes:
        checkpoint_every, checkpoint_minutes: a checkpoint is written when as many iterations or minutes have passed.
        log_every: iterations a row of the log averages over.
    """

    block = "saving"
    positive = ("checkpoint_every", "log_every")

    checkpoint_every: int = 10_000
    checkpoint_minutes: float = 10.0
    log_every: int = 20


@dataclass(frozen=True, kw_only=True)
class Schedule(Block):
    """What every training has in common.

    Attributes:
        lr: learning rate of weights; biases have twice that.
        iterations: batches in all.
        batch: images a batch.
        step: iterations after which the rate is multiplied by `gamma`, again and again; None keeps it.
        warmup: iterations over which the rate rises linearly to where it belongs. ASSUME: 0, as Caffe has none.
        weight_decay: of weights; biases have none.
        precision: fp32; tf32, by which a GPU rounds the factors of products; or bf16 for autocast.
        compile: compile forward pass, loss and gradient, on a GPU.
    """

    block = "schedule"
    positive = ("lr", "iterations", "batch", "gamma")

    lr: float
    iterations: int
    batch: int
    step: int | None = None
    gamma: float = 0.1
    warmup: int = 0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    precision: str = "fp32"
    compile: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step is not None and self.step <= 0:
            raise UserError(f"schedule: step is {self.step}; expected a number above 0, or null for a constant rate")
        if self.warmup < 0:
            raise UserError(f"schedule: warmup is {self.warmup}; expected 0 or more iterations")
        if not 0 <= self.momentum < 1:
            raise UserError(f"schedule: momentum is {self.momentum}; expected 0 <= momentum < 1")
        if self.weight_decay < 0:
            raise UserError(f"schedule: weight_decay is {self.weight_decay}; expected 0 or more")
        if self.precision not in PRECISIONS:
            raise UserError(f"schedule: precision is {self.precision!r}; expected one of {', '.join(PRECISIONS)}")


@dataclass(frozen=True, kw_only=True)
class RankingSchedule(Schedule):
    """`hard_from`: first iteration with hard negatives; before it they are random."""

    hard_from: int = 150_000  # PAPER §5.3: random negatives for 150K iterations


@dataclass(frozen=True, kw_only=True)
class SoftmaxSchedule(Schedule):
    """`dropout` of fc6 and fc7, and `fc8_lr`, a factor on the learning rate of fc8 (R-CNN: 10)."""

    dropout: float = 0.5  # PAPER R-CNN, as CaffeNet
    fc8_lr: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.dropout < 1:
            raise UserError(f"schedule: dropout is {self.dropout}; expected 0 <= dropout < 1")


def learning_rate(schedule: Schedule, iteration: int) -> float:
    """The learning rate of iteration 0, 1, ...: lr gamma^floor(iteration / step), below it during the warmup."""
    rate = schedule.lr * schedule.gamma ** (iteration // schedule.step if schedule.step else 0)
    return rate * min(1.0, (iteration + 1) / schedule.warmup) if schedule.warmup else rate
