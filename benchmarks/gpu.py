"""Speeds of a GPU and of what feeds it, in one table, and the shares of time in which the GPU waits for data.

`benchmarks/gpu.sh` runs this after the tests that compare a GPU's results with a CPU's. Patches come from the shards in
DATA/shards, or from the clips of DATA as in `benchmarks.training`; photos come from DATA/voc_mini. Without a GPU the
same code runs in seconds at a small size: the figures then mean nothing, and the run is a test of the script. Names of
parts choose some of them: `python -m benchmarks.gpu trainings features`.
"""

import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.features import measure, some_boxes, some_photos
from benchmarks.retrieval import seconds_of
from benchmarks.training import (
    KINDS,
    Kind,
    from_store,
    image_flops,
    matrix_products,
    noise_shard,
    ours,
    patch_shards,
    plain,
    rate,
)
from tracklearn.detection.finetune import TrainingWindows, WindowBatches
from tracklearn.detection.suppression import suppress
from tracklearn.machine.devices import own_device
from tracklearn.machine.limits import DECODED_IMAGES_BYTES
from tracklearn.machine.memory import keep_freed_memory
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.weights import save_weights
from tracklearn.retrieval.neighbours import nearest_by_cosine, to_unit_length
from tracklearn.settings.training import Saving, SoftmaxSchedule
from tracklearn.training.cache import ImageCache
from tracklearn.training.feed import feed
from tracklearn.training.gpu import set_precision
from tracklearn.training.loop import train
from tracklearn.training.softmax import SoftmaxObjective
from tracklearn.voc.annotations import Voc
from tracklearn.voc.warp import placements, warp_placed_on_device

CLASSES = 20
WINDOWS = 2000  # of a photo


class Scale(NamedTuple):
    """Sizes of the measurements on a kind of device."""

    network: dict[str, Any]  # width, input_size and standard deviations of the networks
    kinds: tuple[Kind, ...]
    seconds: float  # of a measurement of one step
    rounds: int
    iterations: int  # of a training; its second half is measured
    photos: int
    windows: int  # of retrieval, and of queries
    pool5: int  # length of a feature


PAPER = Scale({}, KINDS, 0.7, 2, 800, 128, 16_384, 9216)
SMALL = Scale({"width": 1 / 16, "input_size": 67}, (Kind("fp32"),), 0.05, 1, 6, 4, 256, 64)

GOALS = {  # of one GPU of the H100's class
    ("ranking from shards", "fp32"): 9_000,
    ("ranking from shards", "tf32"): 20_000,
    ("ranking from shards", "bf16"): 35_000,
    ("features of windows", "bf16"): 50_000,
}


class Row(NamedTuple):
    """A line of the table."""

    what: str
    how: str
    rate: float
    unit: str
    remark: str = ""

    def __str__(self) -> str:
        goal = GOALS.get((self.what, self.how.partition(",")[0])) if torch.cuda.is_available() else None
        wanted = f"{goal:,}" if goal else ""
        return f"| {self.what} | {self.how} | {self.rate:,.0f} {self.unit}/s | {self.remark} | {wanted} |"


def main() -> None:
    """Print the table, line by line."""
    device, cores = own_device(), len(os.sched_getaffinity(0))
    on_gpu = device.type == "cuda"
    scale = PAPER if on_gpu else SMALL
    small = "no GPU: a small size on the CPU, whose figures mean nothing"
    where = torch.cuda.get_device_name(device) if on_gpu else small
    print(f"{where}; {cores} cores; torch {torch.__version__}\n", flush=True)
    print("| what | how | rate | remark | goal |\n|---|---|---|---|---|")
    keep_freed_memory()
    with tempfile.TemporaryDirectory(prefix="tracklearn-gpu-") as name:
        folder = Path(name)
        if on_gpu:
            store, source = patch_shards(folder)
        else:
            store, source = noise_shard(folder / "00000.h5", SMALL.network["input_size"]), "of noise"
        photos, ids, _ = some_photos(folder)
        save_weights(folder / "net.safetensors", CaffeNet(**scale.network))
        parts: dict[str, Callable[[], Iterator[Row]]] = {
            "steps": lambda: steps(device, scale),
            "trainings": lambda: whole_trainings(store, source, scale),
            "finetuning": lambda: finetuning(photos, ids, scale, device, cores, folder),
            "features": lambda: features(photos, ids, folder / "net.safetensors", scale, device, cores),
            "retrieval": lambda: retrieval(scale, device),
            "detection": lambda: detection(scale),
        }
        for part in sys.argv[1:] or parts:
            for row in parts[part]():
                print(row, flush=True)


def steps(device: torch.device, scale: Scale) -> Iterator[Row]:
    """A ranking step on patches that are on the device, beside the matrix product of the same precision."""
    peaks = {}
    for precision in dict.fromkeys(kind.precision for kind in scale.kinds):
        with set_precision(device, precision):
            peaks[precision] = max(
                2 * side**3 * rate(step, device, scale.seconds / 4)
                for products in matrix_products(device, precision).values()
                for side, step in products
            )
        yield Row("matrix product", precision, peaks[precision] / 1e9, "GFLOP")
    work = image_flops()
    contenders = [(str(kind), kind.precision, ours(device, kind, **scale.network)) for kind in scale.kinds]
    if not scale.network:
        contenders.append(("plain PyTorch, tf32", "tf32", plain(device)))
    for how, precision, step in contenders:
        with set_precision(device, precision):
            images = [100 * rate(step, device, scale.seconds) for _ in range(scale.rounds)]
        median = statistics.median(images)
        yield Row(
            "ranking from memory", how, median, "images", f"{work * median / peaks[precision]:.2f} of the product"
        )


def whole_trainings(store: Path, source: str, scale: Scale) -> Iterator[Row]:
    """Trainings from JPEGs on disk."""
    for kind in scale.kinds:
        images, waiting = from_store(store, kind, network=scale.network, iterations=scale.iterations)
        yield Row("ranking from shards", str(kind), images, "images", f"waits {waiting:.1%}; patches {source}")


def finetuning(
    photos: Voc, ids: list[str], scale: Scale, device: torch.device, cores: int, folder: Path
) -> Iterator[Row]:
    """Fine-tuning on windows that threads of the CPU warp; then these threads alone, and warping on the device."""
    rng = np.random.default_rng(0)
    boxes = [some_boxes(photos.size(each), "cpu", seed) for seed, each in enumerate(ids)]
    owners = np.repeat(np.arange(len(ids)), [len(each) for each in boxes])
    labels = rng.integers(0, CLASSES + 1, len(owners)) * (rng.random(len(owners)) < 1 / 4)
    windows = TrainingWindows(ids, owners, np.concatenate(boxes), labels)
    cache = ImageCache(photos.image, limit=DECODED_IMAGES_BYTES)
    for kind in scale.kinds[-2:]:
        net = CaffeNet(outputs=CLASSES + 1, **scale.network)
        batches = WindowBatches(windows, cache, batch=128, size=net.input_size, mean_rgb=net.mean_bgr[::-1], seed=1)
        schedule = SoftmaxSchedule(
            lr=1e-4, iterations=scale.iterations, batch=128, precision=kind.precision, compile=kind.compiled
        )
        row = train(
            net, batches, SoftmaxObjective(dropout=0.5, seed=1, background=True), schedule=schedule,
            saving=Saving(log_every=scale.iterations // 2, checkpoint_every=scale.iterations + 1),
            checkpoints=folder / f"finetuning {kind}", identity={"kind": str(kind)}, threads=cores,
        )  # fmt: skip
        yield Row("fine-tuning", str(kind), row["images_per_s"], "windows", f"waits {row['waiting']:.1%}")
    count = max(4, scale.iterations // 4)
    made = feed(batches, device, 0, count, threads=cores)
    seconds = seconds_of(lambda: [next(made) for _ in range(count)], runs=1)
    yield Row("fine-tuning", "making batches alone", 128 * count / seconds, "windows", f"{cores} threads")
    photo = torch.from_numpy(photos.image(ids[0])).to(device)
    places = torch.from_numpy(placements(boxes[0][:128], photo.shape, size=net.input_size)).to(device)

    def warped(_: int) -> torch.Tensor:
        return warp_placed_on_device(photo, places, mean=net.mean_bgr[::-1], size=net.input_size)

    remark = f"on the {device.type}, of a photo that is there"
    yield Row("fine-tuning", "warping alone", 128 * rate(warped, device, scale.seconds), "windows", remark)


def features(
    photos: Voc, ids: list[str], weights: Path, scale: Scale, device: torch.device, cores: int
) -> Iterator[Row]:
    """From photos on disk to fc7 in memory."""
    listed = [ids[index % len(ids)] for index in range(scale.photos)]
    for precision in dict.fromkeys(kind.precision for kind in scale.kinds):
        windows, waiting = measure(photos, listed, weights, precision, device.type, cores)
        yield Row("features of windows", precision, windows, "windows", f"waits {waiting:.1%}")


def retrieval(scale: Scale, device: torch.device) -> Iterator[Row]:
    """Cosines of pool5 in single precision, the database copied to the device block by block."""
    rng = np.random.default_rng(0)
    queries, block = (to_unit_length(rng.random((n, scale.pool5), np.float32)) for n in (scale.windows, 2048))
    blocks = [block] * 4
    seconds = seconds_of(lambda: nearest_by_cosine(queries, blocks, k=20))
    yield Row("retrieval", "fp32", len(queries) * 4 * len(block) / seconds / 1e6, "million cosines")


def detection(scale: Scale) -> Iterator[Row]:
    """Scores of a photo's windows by the SVMs of all classes and their suppression, on one thread of the CPU."""
    rng = np.random.default_rng(0)
    fc7, weights = rng.random((WINDOWS, 4096), np.float32), rng.random((4096, CLASSES), np.float32)
    boxes = some_boxes((500, 375), "cuda", 0)
    count = 1 + scale.photos // 16

    def work() -> None:
        for _ in range(count):
            for column in (fc7 @ weights).T:
                best = np.argsort(-column)[:400]
                suppress(boxes[best], column[best], overlap=0.3)

    photos = count / seconds_of(work)
    yield Row("detection by SVMs", "on the CPU", photos * WINDOWS, "windows", "scores and suppression alone")


if __name__ == "__main__":
    main()
