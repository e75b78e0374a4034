"""Settings of the blocks `schedules`, `saving` and `threads`: how a training runs."""

from typing import ClassVar, Literal

from tracklearn.settings.base import Count, Natural, NotNegative, Positive, Settings, setting


class Schedule(Settings):
    """How long, how fast, and with how many images at a time; what every training has in common."""

    where: ClassVar[str] = "schedule"

    lr: Positive = setting(..., "Learning rate of weights; biases have twice that")
    iterations: Count = setting(..., "Number of batches in all", unit="iterations")
    batch: Count = setting(..., "Size of a batch: patches in ranking, windows or images otherwise")
    step: Count | None = setting(
        None,
        "The learning rate is multiplied by `gamma` each time this many iterations have passed; `null` keeps it "
        "constant",
        unit="iterations",
    )
    gamma: Positive = setting(0.1, "Factor on the learning rate at each `step`")
    warmup: Natural = setting(
        0,
        "Iterations at the start in which the learning rate rises linearly to its full value",
        unit="iterations",
        assume="Caffe has none",
    )
    momentum: float = setting(0.9, "Momentum of the gradient descent", ge=0, lt=1)
    weight_decay: NotNegative = setting(0.0005, "Decay of weights; biases have none")
    precision: Literal["fp32", "tf32", "bf16"] = setting(
        "fp32",
        "How products and convolutions are computed; weights, velocities and sums are always single precision. `tf32` "
        "rounds factors to ten bits on NVIDIA GPUs since Ampere, `bf16` computes the passes in bfloat16",
    )
    compile: bool = setting(
        False,
        "Whether torch compiles the forward pass, the loss and the gradient on a GPU, which takes a minute or two at "
        "the start",
    )


class RankingSchedule(Schedule):
    """Schedule of a ranking training."""

    hard_from: Natural = setting(
        150_000,
        "Ranking only: first iteration with the hardest negatives; before it they are random",
        unit="iterations",
        paper="§5.3",
    )


class SoftmaxSchedule(Schedule):
    """Schedule of a training on labels."""

    dropout: float = setting(
        0.5, "Labels only: dropout of fc6 and fc7, as in R-CNN and CaffeNet", unit="share", ge=0, lt=1
    )
    fc8_lr: Positive = setting(1, "Labels only: factor on the learning rate of the new layer fc8; R-CNN takes 10")


class Saving(Settings):
    """How often a training writes to disk; the weights do not depend on it."""

    where: ClassVar[str] = "saving"

    checkpoint_every: Count = setting(10_000, "A checkpoint is written after this many iterations", unit="iterations")
    checkpoint_minutes: Positive = setting(
        10, "A checkpoint is written after this many minutes, if they pass first", unit="minutes"
    )
    log_every: Count = setting(
        20,
        "Iterations that one row of `log.csv` averages over. The GPU is waited for at each row: give a fast one 100 or "
        "more",
        unit="iterations",
    )


class Threads(Settings):
    """Threads of one job, never more than `--cores`."""

    where: ClassVar[str] = "threads"

    download: Count = setting(8, "Downloads at a time")
    mining: Count = setting(8, "Filtering, tracking and packing")
    train: Count = setting(8, "Training and features")
    detection: Count = setting(8, "Proposals, SVMs and detection")
