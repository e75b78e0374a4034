"""How near does a ranking step come to the processor's matrix rate? Beside plain PyTorch, at the paper's size.

A step is everything but decoding (`benchmarks/store.py`): uint8 patches to input, forward, loss, backward, update. Its
work is that of three forward passes of the layers, less the gradient of conv1's input, which nobody needs. The peak is
the largest rate of a single-precision matrix product in the same rounds, all cores each.

Ours against plain PyTorch: torch's LocalResponseNorm after ReLU and pooling, NCHW, torch.optim.SGD, a loop over
triplets. On a GPU the peak is that of TF32 or bfloat16 products, and the share of time spent waiting for data is that
of a whole training from a store of JPEGs.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tracklearn.networks.alexnet import MEAN_BGR, CaffeNet
from tracklearn.patches import Pair, PatchStore
from tracklearn.ranking.train import RankingLoss, train_ranking
from tracklearn.training.memory import keep_memory
from tracklearn.training.solver import Solver

BATCH = 100  # PAPER §5.6
ROUNDS = 5
SECONDS = 4.0  # of one measurement in a round
SIDES = (1024, 2048, 4096)  # of the square matrices; the fastest is the peak

Step = Callable[[int], object]


def main() -> None:
    """Print a table: images a second, share of the peak, ratio to plain PyTorch."""
    threads = torch.get_num_threads()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    try:
        _compare("cuda" if torch.cuda.is_available() else "cpu")
    finally:
        torch.set_num_threads(threads)


def _compare(device: str) -> None:
    work = image_flops()
    single = "tf32" if device == "cuda" else "fp32"
    torch.set_float32_matmul_precision("high" if device == "cuda" else "highest")
    steps = {f"ours, {single}": ours(device, "fp32"), f"plain PyTorch, {single}": plain(device)}
    if device == "cuda" or has_bf16():
        steps["ours, bf16"] = ours(device, "bf16")
    peaks = {"fp32": [matrix_product(side, device, torch.float32) for side in SIDES]}
    if device == "cuda":
        peaks["bf16"] = [matrix_product(side, device, torch.bfloat16) for side in (*SIDES, 8192)]
    keep_memory()  # as the training loop does; plain PyTorch gains by it too
    images: dict[str, list[float]] = {name: [] for name in steps}
    rates: dict[str, list[float]] = {name: [] for name in peaks}
    for _ in range(ROUNDS):
        for kind, products in peaks.items():
            rates[kind].append(max(2 * side**3 * rate(step, device, SECONDS / 4) for side, step in products))
        for name, step in steps.items():
            images[name].append(BATCH * rate(step, device, SECONDS))
    where = torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{where}; matrix product {_each(rates, 1e9)} GFLOP/s; {work / 1e9:.2f} GFLOP a training image")
    print("| step | images/s | of the peak | x plain PyTorch |")
    print("|---|---|---|---|")
    reference = images[f"plain PyTorch, {single}"]
    for name, found in images.items():
        peak = rates["bf16" if device == "cuda" and "bf16" in name else "fp32"]
        share = work * _ratio(found, peak)
        print(f"| {name} | {statistics.median(found):.1f} | {share:.2f} | {_ratio(found, reference):.2f} |")
    if "ours, bf16" in images:
        print(f"bf16 over {single}: {_ratio(images['ours, bf16'], images[f'ours, {single}']):.2f} x")
    else:
        print("bf16: not measured, this processor has neither avx512_bf16 nor amx_bf16")
    if device == "cuda":
        for precision in ("fp32", "bf16"):
            found_images, waiting = from_store(precision)
            print(f"whole training from a store, {precision}: {found_images:.0f} images/s, {waiting:.1%} of it waiting")
    else:
        print("GPU: not measured, there is none here")


def _each(rates: dict[str, list[float]], unit: float) -> str:
    return ", ".join(f"{name} {statistics.median(found) / unit:.0f}" for name, found in rates.items())


def _ratio(found: list[float], reference: list[float]) -> float:
    """Median over the rounds."""
    return statistics.median(a / b for a, b in zip(found, reference, strict=True))


def rate(step: Step, device: str, seconds: float) -> float:
    """Calls a second, after one that is not counted."""
    step(0)
    _finish(device)
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        calls += 1
        step(calls)
        if device == "cpu" or calls % 10 == 0:
            _finish(device)
    _finish(device)
    return calls / (time.perf_counter() - began)


def _finish(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def image_flops() -> int:
    """Multiplications and additions of one training image in the layers of the paper's network."""
    net, counted = CaffeNet(fc7=1024), {}

    def count(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        # Each output value is a product of one row of weights with as many inputs.
        return lambda layer, _, output: counted.update({name: 2 * output.numel() * layer.weight[0].numel()})

    for name, layer in net.named_children():
        layer.register_forward_hook(count(name))
    with torch.no_grad():
        net(torch.zeros(1, 3, 227, 227))
    return 3 * sum(counted.values()) - counted["conv1"]


def has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 by itself."""
    flags = Path("/proc/cpuinfo")
    return flags.exists() and any(name in flags.read_text() for name in ("avx512_bf16", "amx_bf16"))


def matrix_product(side: int, device: str, kind: torch.dtype) -> tuple[int, Step]:
    """The side and a step that multiplies two square matrices."""
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    out = torch.empty_like(a)
    return side, lambda _: torch.mm(a, b, out=out)


def batch(device: str) -> tuple[Tensor, Tensor]:
    """Patches uint8 (P, 2, S, S, 3) and videos (P,); two pairs a video."""
    rng = torch.Generator().manual_seed(0)
    patches = torch.randint(0, 256, (BATCH // 2, 2, 227, 227, 3), dtype=torch.uint8, generator=rng)
    return patches.to(device), (torch.arange(BATCH // 2) // 2).to(device)


def ours(device: str, precision: str) -> Step:
    """One iteration as the training loop does it."""
    net, objective, given = CaffeNet(fc7=1024, seed=1).to(device), RankingLoss(seed=1), batch(device)
    solver = Solver(net, momentum=0.9, weight_decay=5e-4)

    def step(iteration: int) -> None:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            loss, _ = objective(net, given, iteration)
        loss.backward()
        solver.step(1e-3)

    return step


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


def plain(device: str) -> Step:
    """The same iteration in plain PyTorch: NCHW, hinges one triplet at a time."""
    net, (patches, videos) = PlainNet().to(device), batch(device)
    labels, rng = videos.tolist(), np.random.default_rng(0)
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    mean = torch.tensor(MEAN_BGR, device=device).view(3, 1, 1)

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


def from_store(precision: str) -> tuple[float, float]:
    """Images a second and share of time waiting for batches, of a training from JPEGs on disk."""
    with _store() as path:
        folder = path.parent
        metrics = train_ranking(
            stores=[path],
            network={},
            loss={},
            schedule={"lr": 1e-3, "iterations": 600, "batch": BATCH, "precision": precision},
            saving={"log_every": 300},  # the second row is told
            seed=1,
            weights=folder / "weights.safetensors",
            log=folder / "log.csv",
            conv1=folder / "conv1.png",
            checkpoints=folder / "checkpoints",
            threads=len(os.sched_getaffinity(0)),
        )
    return metrics["images_per_s"], metrics["waiting"]


@contextmanager
def _store() -> Iterator[Path]:
    """A shard of a thousand pairs: smooth noise, which takes about as many bytes as a patch of a video."""
    rng = np.random.default_rng(0)

    def patch() -> np.ndarray:
        coarse = torch.from_numpy(rng.integers(0, 256, (1, 3, 30, 30)).astype(np.float32))
        return F.interpolate(coarse, (227, 227), mode="bilinear")[0].permute(1, 2, 0).byte().numpy()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "00000.h5")
        pairs = (Pair(f"v{i // 4}", (0, 30), np.zeros((2, 4)), 1.0, patch(), patch()) for i in range(1000))
        PatchStore.write(path, pairs, size=227)
        yield path


if __name__ == "__main__":
    main()
