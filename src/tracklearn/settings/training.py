"""Settings of the blocks `schedules`, `saving` and `threads`: how a training runs."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from tracklearn.settings.base import Count, Natural, NotNegative, Positive, Settings, setting

Precision = Literal["fp32", "tf32", "bf16"]


class Schedule(Settings):
    """How long, how fast, and with how many images at a time; what every training has in common."""

    where: ClassVar[str] = "schedule"

    lr: Positive = setting(..., "Learning rate of weights; the learning rate of biases is twice as high")
    iterations: Count = setting(..., "Number of iterations; each iteration trains on one batch", unit="iterations")
    batch: Count = setting(
        ...,
        "Size of a batch: in patches for `train: ranking`, in images for `imagenet` and `normals`, in windows "
        "for `voc`",
    )
    step: Count | None = setting(
        None,
        "The learning rate is multiplied by `gamma` each time this many iterations have passed; `null` keeps it "
        "constant",
        unit="iterations",
    )
    gamma: Positive = setting(0.1, "Factor on the learning rate at each `step`")
    warmup: Natural = setting(
        0,
        "Iterations at the start of the training in which the learning rate rises linearly to its full value",
        unit="iterations",
        assume="Caffe has no warmup",
    )
    momentum: float = setting(0.9, "Momentum of the gradient descent", ge=0, lt=1)
    weight_decay: NotNegative = setting(0.0005, "Decay of weights; biases have no decay")
    precision: Precision = setting(
        "fp32",
        "How products and convolutions are computed; weights, velocities and sums are always single precision. `tf32` "
        "rounds factors to ten bits on NVIDIA GPUs since Ampere; `bf16` computes the forward and the backward pass in "
        "bfloat16",
    )
    compile: bool = setting(
        False,
        "Whether torch compiles the forward pass, the loss and the gradient on a GPU. Compiling takes a minute or two "
        "at the start",
    )

    @property
    def restart(self) -> int:
        """Iteration from which the steps of the learning rate are counted and at which the velocities are zero."""
        return 0

    @property
    def total(self) -> int:
        """Number of iterations of the whole training."""
        return self.restart + self.iterations


class RankingSchedule(Schedule):
    """Schedule of a ranking training."""

    random_iterations: Natural = setting(
        150_000,
        "Only for `train: ranking`: number of iterations with random negatives; later iterations have hard negatives. "
        "A loss of the form `infonce` has neither and needs 0",
        unit="iterations",
        paper="§5.6",
    )
    stages: Literal["two", "one"] = setting(
        "two",
        "Only for `train: ranking`: how §5.6 is read. With `two`, `random_iterations` at the constant rate `lr` come "
        "first. Then hard negatives follow for `iterations` with a fresh schedule: steps are counted from the switch, "
        "and velocities are zero there, as in a training that restarts from weights. With `one`, the "
        "`random_iterations` are the first of the `iterations` of a single schedule. With 0 `random_iterations` both "
        "are the same",
        assume="the paper trains with random negatives first, and then with hard negatives from there; it does not say "
        "whether the steps of its schedules begin with the first iteration or with the hard negatives",
    )

    @property
    def restart(self) -> int:
        """The switch to hard negatives if there are two stages."""
        return self.random_iterations if self.stages == "two" else 0

    @model_validator(mode="after")
    def _pairs_against_pairs(self) -> Self:
        if self.batch % 2 or self.batch < 4:
            raise ValueError(
                f"batch is {self.batch}; expected an even number of patches, at least 4: pairs are ranked against pairs"
            )
        return self


class SoftmaxSchedule(Schedule):
    """Schedule of a training on labels."""

    dropout: float = setting(
        0.5,
        "Only for `train: imagenet`, `voc` and `normals`: dropout of fc6 and fc7, as in R-CNN and CaffeNet; "
        "ResNets have none; fc7 of a network of normals is its answer and has none",
        unit="share",
        ge=0,
        lt=1,
    )
    fc8_lr: Positive = setting(
        1,
        "Only for `train: imagenet` and `train: voc`: factor on the learning rate of the new layer fc8; R-CNN has a "
        "factor of 10",
    )
    fc7_lr: Positive = setting(
        1,
        "Only for `train: normals`: factor on the learning rate of fc7, the answer. fc6 has no such factor: at a rate "
        "that moves fc7, its units die",
        assume="the paper states one rate",
    )


class Saving(Settings):
    """How often a training writes to disk; the weights do not depend on it."""

    where: ClassVar[str] = "saving"

    checkpoint_every: Count = setting(
        10_000, "A checkpoint is written this many iterations after the last one", unit="iterations"
    )
    checkpoint_minutes: Positive = setting(
        10,
        "A checkpoint is written this many minutes after the last one, if they pass before `checkpoint_every` "
        "iterations",
        unit="minutes",
    )
    log_every: Count = setting(
        20,
        "Number of iterations over which one row of `log.csv` averages. At each row the training waits for the GPU: "
        "choose 100 or more for a fast GPU",
        unit="iterations",
    )


class Threads(Settings):
    """Threads of one job, never more than `--cores`."""

    where: ClassVar[str] = "threads"

    download: Count = setting(8, "Number of downloads at a time")
    mining: Count = setting(8, "Threads of filtering, tracking and packing")
    train: Count = setting(8, "Threads of training and features")
    detection: Count = setting(8, "Threads of proposals, SVMs, detection and retrieval")
