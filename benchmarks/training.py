"""How fast is a ranking step at the paper's size, compared with the device's matrix rate and with plain PyTorch?

A step is everything but decoding (`benchmarks/store.py`): uint8 patches to input, forward, loss, backward, update. Its
work is that of three forward passes of the layers, without the gradient of conv1's input, which is never computed. The
peak is the highest rate of a matrix product in the same rounds, by torch.mm and as a convolution of 1 x 1, for which
torch may use other code. On a CPU the product is in single precision and uses all cores; on a GPU it is in the
precision of the row.

Plain PyTorch means torch's LocalResponseNorm after ReLU and pooling, NCHW, torch.optim.SGD and a loop over triplets, on
a GPU in TF32. On a GPU, trainings from a patch shard are measured too: images per second, the share of time in which
the GPU had no batch, and the hours of the paper's three pretrainings. Last, the step of each backbone. With --backbones
that is all that is measured. The patches are cut from the clips of DATA
(environment; default ../shared/data), or synthetic if there are no clips.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.store import SIDE, _patches
from tracklearn.machine.memory import keep_freed_memory
from tracklearn.networks.backbone import Backbone
from tracklearn.networks.backbones import BACKBONES
from tracklearn.networks.caffenet import DEFAULTS, CaffeNet
from tracklearn.networks.initial import new_network
from tracklearn.patches.writing import Pair, write_shard
from tracklearn.ranking.train import RankingObjective, train_ranking
from tracklearn.settings.ranking import Loss
from tracklearn.training.gpu import set_precision
from tracklearn.training.solver import Solver
from tracklearn.training.step import new_step

BATCH = 100  # PAPER §5.6
ITERATIONS = 3 * 150_000 + 240_000 + 350_000 + 350_000  # PAPER §5.6: of the three pretrainings, in two stages
ROUNDS = 5
SECONDS = 4.0  # of one measurement within a round
SIDES = {"cpu": (1024, 2048), "cuda": (2048, 4096, 8192)}  # of the square matrices; the fastest is the peak
STORED = 1000  # iterations of a training from a store; the second half is measured

Step = Callable[[int], object]


@dataclass(frozen=True)
class Kind:
    """How a training computes."""

    precision: str
    compiled: bool = False

    def __str__(self) -> str:
        return f"{self.precision}, compiled" if self.compiled else self.precision


KINDS = tuple(Kind(*both) for both in product(("fp32", "tf32", "bf16"), (False, True)))  # of a GPU


def main() -> None:
    """Print a table of steps, on a GPU a table of trainings from a store, and a table of backbones."""
    threads = torch.get_num_threads()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
    try:
        if "--backbones" not in sys.argv:
            _papers_network(device)
        _backbones(device, KINDS if device.type == "cuda" else [Kind("fp32")])
    finally:
        torch.set_num_threads(threads)


def _papers_network(device: torch.device) -> None:
    """Print the table of steps and, on a GPU, that of trainings from a store."""
    if device.type == "cuda":
        peaks = {kind: kind.precision for kind in KINDS}
        _compare(device, KINDS, peaks, Kind("tf32"), torch.cuda.get_device_name())
        _whole_trainings(KINDS)
        return
    kinds = [Kind("fp32"), *([Kind("bf16")] if has_bf16() else [])]
    _compare(device, kinds, dict.fromkeys(kinds, "fp32"), kinds[0], f"{_cores()} threads")
    if len(kinds) == 1:
        print("bf16: not measured, this processor has neither avx512_bf16 nor amx_bf16")
    print("GPU: not measured, there is none here")


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _compare(device: torch.device, kinds: Iterable[Kind], peaks: dict[Kind, str], usual: Kind, where: str) -> None:
    """Print a table of steps: images per second, shares of the peak, ratio to plain PyTorch.

    Args:
        device: device to measure.
        kinds: how our steps compute.
        peaks: the precision of the matrix product that each kind is compared with.
        usual: how plain PyTorch computes.
        where: name of the device.
    """
    work = image_flops()
    steps = {f"ours, {kind}": (kind.precision, ours(device, kind)) for kind in kinds}
    steps[f"plain PyTorch, {usual}"] = usual.precision, plain(device)
    products = {precision: matrix_products(device, precision) for precision in dict.fromkeys(peaks.values())}
    keep_freed_memory()  # as the training loop does; plain PyTorch becomes faster by it too
    images: dict[str, list[float]] = {name: [] for name in steps}
    rates: dict[str, dict[str, list[float]]] = {
        precision: {way: [] for way in ways} for precision, ways in products.items()
    }
    for _ in range(ROUNDS):
        for precision, ways in products.items():
            with set_precision(device, precision):
                for way, steps_by_side in ways.items():
                    flops = (2 * side**3 * rate(step, device, SECONDS / 4) for side, step in steps_by_side)
                    rates[precision][way].append(max(flops))
        for name, (precision, step) in steps.items():
            with set_precision(device, precision):
                images[name].append(BATCH * rate(step, device, SECONDS))
    medians = ", ".join(
        f"{precision} {' and '.join(f'{statistics.median(flops) / 1e9:.0f}' for flops in ways.values())}"
        for precision, ways in rates.items()
    )
    print(f"{where}; matrix product by torch.mm and as a convolution of 1 x 1: {medians} GFLOP/s")
    print(f"{work / 1e9:.2f} GFLOP a training image\n")
    print("| step | images/s | of torch.mm | of the convolution | x plain PyTorch | x ours, fp32 |")
    print("|---|---|---|---|---|---|")
    plain_rates, fp32_rates = images[f"plain PyTorch, {usual}"], images["ours, fp32"]
    peak_rates = {f"ours, {kind}": rates[peak] for kind, peak in peaks.items()}
    peak_rates[f"plain PyTorch, {usual}"] = rates[usual.precision]
    for name, step_rates in images.items():
        print(
            f"| {name} | {statistics.median(step_rates):.1f} "
            f"| {work * _ratio(step_rates, peak_rates[name]['matrix_product']):.2f} "
            f"| {work * _ratio(step_rates, peak_rates[name]['convolution']):.2f} "
            f"| {_ratio(step_rates, plain_rates):.2f} | {_ratio(step_rates, fp32_rates):.2f} |"
        )


def _backbones(device: torch.device, kinds: Iterable[Kind]) -> None:
    """Print a table of the steps of all backbones: batches of the paper's patches, fc7 of the paper's size."""
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"{_cores()} threads"
    print(f"\nRanking steps of {BATCH} patches of {SIDE} pixels, {where}\n")
    print("| backbone | precision | parameters | images/s |")
    print("|---|---|---|---|")
    keep_freed_memory()
    for name, kind in product(BACKBONES, kinds):
        net = new_network({"backbone": name, "input_size": SIDE}, head="ranking", seed=1).to(device)
        parameters = sum(parameter.numel() for parameter in net.parameters())
        step = step_of(net, device, kind)
        with set_precision(device, kind.precision):
            images = BATCH * rate(step, device, SECONDS)
        print(f"| {name} | {kind} | {parameters / 1e6:.1f} million | {images:.1f} |", flush=True)


def _whole_trainings(kinds: Iterable[Kind]) -> None:
    """Print a table of trainings from a store, decoding included."""
    data = Path(os.environ.get("DATA", "../shared/data"))
    with tempfile.TemporaryDirectory(prefix="tracklearn-training-") as folder:
        store, source = _store(Path(folder, "00000.h5"), data / "videos")
        print(f"\nWhole trainings from a store of patches {source}, {_cores()} threads\n")
        print("| precision | images/s | waiting for data | hours of the paper's three pretrainings |")
        print("|---|---|---|---|")
        for kind in kinds:
            images, waiting = from_store(store, kind)
            print(f"| {kind} | {images:.0f} | {waiting:.1%} | {ITERATIONS * BATCH / images / 3600:.1f} |", flush=True)


def _ratio(rates: list[float], reference: list[float]) -> float:
    """Median ratio over the rounds."""
    return statistics.median(a / b for a, b in zip(rates, reference, strict=True))


def rate(step: Step, device: torch.device, seconds: float) -> float:
    """Calls per second, after a few that are not counted."""
    for warmup in range(1 if device.type == "cpu" else 5):  # a step is recorded after the third
        step(warmup)
    _finish(device)
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        calls += 1
        step(calls)
        if device.type == "cpu" or calls % 10 == 0:
            _finish(device)
    _finish(device)
    return calls / (time.perf_counter() - began)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def image_flops() -> int:
    """Multiplications and additions of one training image in the layers of the paper's network."""
    net, flops = CaffeNet(fc7=1024), {}

    def count(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        # Each output value is a product of one row of weights with as many inputs.
        return lambda layer, _, output: flops.update({name: 2 * output.numel() * layer.weight[0].numel()})

    for name, layer in net.named_children():
        layer.register_forward_hook(count(name))
    with torch.no_grad():
        net(torch.zeros(1, 3, 227, 227))
    return 3 * sum(flops.values()) - flops["conv1"]


def has_bf16() -> bool:
    """Whether the processor has instructions that multiply bfloat16."""
    flags = Path("/proc/cpuinfo")
    return flags.exists() and any(name in flags.read_text() for name in ("avx512_bf16", "amx_bf16"))


def matrix_products(device: torch.device, precision: str) -> dict[str, list[tuple[int, Step]]]:
    """Steps that multiply two square matrices, with their sides: by torch.mm and as a convolution."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32

    def matrix_product(side: int) -> Step:
        a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
        out = torch.empty_like(a)
        return lambda _: torch.mm(a, b, out=out)

    def convolution(side: int) -> Step:
        """The same product as a convolution of 1 x 1 over `side` pixels, whose code is faster on some processors."""
        pixels = torch.randn(1, side, 32, side // 32, device=device, dtype=kind).to(memory_format=torch.channels_last)
        weights = torch.randn(side, side, 1, 1, device=device, dtype=kind).to(memory_format=torch.channels_last)

        @torch.inference_mode()
        def step(_: int) -> Tensor:
            return F.conv2d(pixels, weights)

        return step

    return {
        make.__name__: [(side, make(side)) for side in SIDES[device.type]] for make in (matrix_product, convolution)
    }


def batch(device: torch.device, side: int = SIDE) -> tuple[Tensor, Tensor]:
    """Patches uint8 (P, 2, S, S, 3) and videos (P,), two pairs of each video."""
    rng = torch.Generator().manual_seed(0)
    patches = torch.randint(0, 256, (BATCH // 2, 2, side, side, 3), dtype=torch.uint8, generator=rng)
    return patches.to(device), (torch.arange(BATCH // 2) // 2).to(device)


def ours(device: torch.device, kind: Kind, **network: Any) -> Step:
    """One iteration as in the training loop, with random negatives; `network` changes the paper's network."""
    return step_of(CaffeNet(fc7=1024, seed=1, **network).to(device), device, kind)


def step_of(net: Backbone, device: torch.device, kind: Kind) -> Step:
    """One iteration of a network on the device, with random negatives."""
    net.train()
    examples = batch(device, net.input_size)
    objective = RankingObjective(loss_settings=Loss(), random_iterations=ITERATIONS, seed=1)
    solver = Solver(net, momentum=0.9, weight_decay=5e-4)
    draws = [tensor.to(device) for tensor in objective.draw(net, examples, 0)]
    step = new_step(net, solver, objective, device=device, precision=kind.precision, compiled=kind.compiled)
    return lambda iteration: step((*examples, *draws), iteration, 1e-3)


class PlainNet(nn.Sequential):
    """The same network as it is usually written."""

    def __init__(self) -> None:
        super().__init__()
        channels = {1: (3, 96), 2: (96, 256), 3: (256, 384), 4: (384, 384), 5: (384, 256)}
        shapes = {1: (11, 4, 0, 1), 2: (5, 1, 2, 2), 3: (3, 1, 1, 1), 4: (3, 1, 1, 2), 5: (3, 1, 1, 2)}
        for number, (side, stride, padding, groups) in shapes.items():
            self.append(nn.Conv2d(*channels[number], side, stride, padding, groups=groups)).append(nn.ReLU())
            if number in (1, 2, 5):
                self.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            if number in (1, 2):
                self.append(nn.LocalResponseNorm(5, 1e-4, 0.75))
        self.append(nn.Flatten())
        for inputs, outputs in ((9216, 4096), (4096, 1024)):
            self.append(nn.Linear(inputs, outputs)).append(nn.ReLU())


def plain(device: torch.device) -> Step:
    """The same iteration in plain PyTorch: NCHW, hinges one triplet at a time."""
    net, (patches, videos) = PlainNet().to(device), batch(device)
    labels, rng = videos.tolist(), np.random.default_rng(0)
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    mean = torch.tensor(DEFAULTS.mean_bgr, device=device).view(3, 1, 1)

    def step(_: int) -> None:
        images = patches.flatten(0, 1).permute(0, 3, 1, 2).flip(1).float().contiguous() - mean
        features = F.normalize(net(images))
        hinges = []
        for pair, video in enumerate(labels):
            others = [row for row in range(BATCH) if labels[row // 2] != video]
            query, tracked = features[2 * pair], features[2 * pair + 1]
            for row in rng.choice(others, 4, replace=False):
                hinges.append(F.relu(query @ features[row] - query @ tracked + 0.5))
        optimiser.zero_grad()
        torch.stack(hinges).mean().backward()
        optimiser.step()

    return step


def from_store(
    store: Path, kind: Kind, *, network: dict[str, Any] | None = None, iterations: int = STORED
) -> tuple[float, float]:
    """Images per second, and share of time waiting for batches, of a training from JPEGs on disk.

    The second half of `iterations` is measured. `network` changes the paper's network.
    """
    with tempfile.TemporaryDirectory(prefix="tracklearn-training-") as folder:
        metrics = train_ranking(
            stores=[store],
            network=network,
            schedule={
                "lr": 1e-3,
                "iterations": iterations,
                "stages": "one",
                "batch": BATCH,
                "precision": kind.precision,
                "compile": kind.compiled,
            },
            saving={"log_every": iterations // 2, "checkpoint_every": iterations + 1, "checkpoint_minutes": 60},
            seed=1,
            weights=Path(folder, "weights.safetensors"),
            log=Path(folder, "log.csv"),
            conv1=Path(folder, "conv1.png"),
            checkpoints=Path(folder, "checkpoints"),
            threads=_cores(),
        )
    return metrics["images_per_s"], metrics["waiting"]


def noise_shard(path: Path, side: int) -> Path:
    """A small shard of patches of noise, two pairs of each video."""
    noise = np.random.default_rng(0).integers(0, 256, (BATCH, 2, side, side, 3), dtype=np.uint8)
    pairs = (Pair(f"v{index // 2}", (0, 30), np.zeros((2, 4)), 1.0, *both) for index, both in enumerate(noise))
    write_shard(path, pairs, size=side, quality=95)
    return path


def patch_shards(folder: Path) -> tuple[Path, str]:
    """A shard of the paper's patches, and where they are from: DATA/shards, or else the clips of DATA, or noise."""
    data = Path(os.environ.get("DATA", "../shared/data"))
    if shards := sorted((data / "shards").glob("*.h5")):
        return shards[0], f"of {shards[0]}"
    return _store(folder / "00000.h5", data / "videos")


def _store(path: Path, videos: Path) -> tuple[Path, str]:
    """Write a shard in which every fifty pairs are of one video; return it and the source of its patches."""
    patches, source = _patches(videos)
    couples = enumerate(zip(patches[::2], patches[1::2], strict=True))
    pairs = (Pair(f"v{index // 50}", (0, 30), np.zeros((2, 4)), 1.0, *couple) for index, couple in couples)
    write_shard(path, pairs, size=SIDE, quality=95)
    return path, source


if __name__ == "__main__":
    main()
