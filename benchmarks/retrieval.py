"""How long does retrieval take at the paper's size: by the cosine of pool5, and by ELDA on HOG?

Each step is measured on a part, and its time at the paper's size is that size divided by the rate: 15,787 queries, the
objects of VOC 2012's val; 500,000 windows on objects, about 4% of the 2,000 windows of each of the 5,717 photos of
train; 11 shapes of templates. The photos are those of `benchmarks.features`, and the boxes are drawn at random.

Where `who_bg/bg.dat` is there, the statistics of HOG over these photos are compared with it: the mean and covariance
that others computed from their own photos.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.features import PHOTOS, measure, some_boxes, some_photos
from tracklearn.machine.devices import own_device
from tracklearn.machine.threads import one_opencv_thread
from tracklearn.mining.tracking.hog import CHANNELS
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.weights import save_weights
from tracklearn.retrieval.elda import train
from tracklearn.retrieval.labelled import LabelledWindows
from tracklearn.retrieval.neighbours import AT_ONCE, Nearest, nearest_by_cosine, to_unit_length
from tracklearn.retrieval.statistics import PHOTOS_AT_ONCE, Autocorrelation, Statistics, photo_hogs
from tracklearn.retrieval.templates import Shape, describe, template_shapes
from tracklearn.voc.annotations import Voc

QUERIES, WINDOWS, TRAINING_PHOTOS = 15_787, 500_000, 5_717
POOL5 = 9216
COMPARED = 2  # blocks of windows
WINDOWS_OF_PHOTO = 20
OFFSETS_COMPARED = 10
SHAPES = template_shapes(144, 11)
REACH = Shape(max(shape.rows for shape in SHAPES), max(shape.columns for shape in SHAPES))


class Step(NamedTuple):
    """A step, how many of its units were done a second, and how many there are at the paper's size."""

    name: str
    unit: str
    rate: float
    total: float
    arithmetic: str

    @property
    def minutes(self) -> float:
        return self.total / self.rate / 60


def main() -> None:
    """Print a table for each method."""
    cores = len(os.sched_getaffinity(0))
    device = own_device()
    where = f"CPU, {cores} threads" if device.type == "cpu" else torch.cuda.get_device_name(device)
    with tempfile.TemporaryDirectory(prefix="tracklearn-retrieval-") as folder:
        photos, ids, source = some_photos(Path(folder))
        print(f"{where}; {len(ids)} photos {source}")
        for name, steps in (
            ("pool5 by cosine", list(_cosine_steps(photos, ids, Path(folder), device, cores))),
            ("ELDA on HOG", list(_elda_steps(photos, ids, device, cores))),
        ):
            print(f"\n| {name} | rate | minutes at the paper's size | because |\n|---|---|---|---|")
            for step in steps:
                print(
                    f"| {step.name} | {step.rate:,.0f} {step.unit}/s | {step.minutes:.1f} | "
                    f"{step.arithmetic}: {step.total:,.0f} {step.unit} |"
                )
            print(f"| all | | {sum(step.minutes for step in steps):.1f} | |", flush=True)
        others = Path(os.environ.get("DATA", "../shared/data"), "misc/who_bg/bg.dat")
        if others.is_file():
            _print_agreement(statistics_of(photos, ids), read_others(others))


def statistics_of(photos: Voc, ids: list[str]) -> Statistics:
    """Mean and covariance of HOG over photos."""
    sums = Autocorrelation(CHANNELS, REACH)
    for image in ids:
        if maps := photo_hogs(photos, image):
            sums.add(maps)
    return sums.statistics()


def read_others(path: Path) -> tuple[np.ndarray, dict[tuple[int, int], np.ndarray]]:
    """The mean (31,) and the covariances (31, 31) by offset (dx, dy) in cells of a file of ARTOS.

    The file has three little-endian uint32 (pixels of a cell, channels F, offsets N), then the float32 mean (F,) and
    covariances (N, F, F), then the int32 offsets (N, 2).
    """
    content = path.read_bytes()
    _, channels, count = np.frombuffer(content, "<u4", 3).tolist()
    values = np.frombuffer(content, "<f4", channels + count * channels**2, 12)
    offsets = np.frombuffer(content, "<i4", 2 * count, 12 + values.nbytes).reshape(count, 2).tolist()
    covariances = values[channels:].reshape(count, channels, channels)
    return values[:channels], {(dx, dy): each for (dx, dy), each in zip(offsets, covariances, strict=True)}


def _print_agreement(ours: Statistics, others: tuple[np.ndarray, dict[tuple[int, int], np.ndarray]]) -> None:
    """Print correlations with the mean and the covariances of others, at the shortest offsets."""
    mean, covariances = others
    shortest = sorted(covariances, key=lambda offset: (np.hypot(*offset), offset))[:OFFSETS_COMPARED]
    print(f"\nHOG over {ours.cells:,} cells and bg.dat: correlation of the means {_correlation(ours.mean, mean):.3f}")
    print("\n| offset (right, down) | correlation of the covariances |\n|---|---|")
    for dx, dy in shortest:
        found = ours.at(np.array(dy), np.array(dx))
        print(f"| {dx}, {dy} | {_correlation(found, covariances[dx, dy]):.3f} |")


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _cosine_steps(photos: Voc, ids: list[str], folder: Path, device: torch.device, cores: int) -> Iterator[Step]:
    save_weights(folder / "net.safetensors", CaffeNet(fc7=4096))
    listed = [ids[index % len(ids)] for index in range(PHOTOS[device.type])]
    rate, _ = measure(photos, listed, folder / "net.safetensors", "fp32", device.type, cores, layer="pool5")
    both = "windows and queries"
    yield Step("features, fp32", "windows", rate, WINDOWS + QUERIES, f"{WINDOWS:,} + {QUERIES:,} {both}")
    rng = np.random.default_rng(0)
    queries, block = (to_unit_length(rng.random((AT_ONCE, POOL5), np.float32)) for _ in range(2))
    seconds = seconds_of(lambda: nearest_by_cosine(queries, [block] * COMPARED, k=20))
    yield Step(
        "comparison", "cosines", AT_ONCE**2 * COMPARED / seconds, QUERIES * WINDOWS, f"{QUERIES:,} x {WINDOWS:,} pairs"
    )


def _elda_steps(photos: Voc, ids: list[str], device: torch.device, cores: int) -> Iterator[Step]:
    some = [ids[index % len(ids)] for index in range(PHOTOS_AT_ONCE)]
    sums = Autocorrelation(CHANNELS, REACH)
    with ThreadPoolExecutor(cores) as pool, one_opencv_thread():
        seconds = seconds_of(
            lambda: sums.add([each for found in pool.map(lambda i: photo_hogs(photos, i), some) for each in found])
        )
        yield Step("statistics of HOG", "photos", len(some) / seconds, TRAINING_PHOTOS, "the photos of train")
        statistics = sums.statistics()
        windows = _windows(photos, some)
        hogs: list[np.ndarray] = []
        seconds = seconds_of(lambda: hogs.extend(describe(photos, windows, SHAPES, pool)))
        yield Step(
            "HOG", "HOGs", len(windows) * len(SHAPES) / seconds, WINDOWS * len(SHAPES) + QUERIES,
            f"{WINDOWS:,} windows in {len(SHAPES)} shapes, and each query in its own",
        )  # fmt: skip
    square = len(SHAPES) // 2
    of_shape = QUERIES // len(SHAPES)
    x = np.resize(hogs[square], (of_shape, hogs[square].shape[1]))
    detectors: list[Any] = []
    seconds = seconds_of(lambda: detectors.append(train(x, statistics, SHAPES[square], ridge=0.01, device=device)))
    yield Step("detectors", "detectors", of_shape / seconds, QUERIES, "all queries of a shape at once")
    (weights, biases), _ = detectors[-1]
    nearest = Nearest(of_shape, 20, device)
    block = torch.from_numpy(np.resize(hogs[square], (1024, x.shape[1])))
    seconds = seconds_of(
        lambda: nearest.meet(slice(None), torch.addmm(biases[:, None], weights, block.to(device).T), 0)
    )
    yield Step(
        "scores", "scores", of_shape * len(block) / seconds, QUERIES * WINDOWS, f"{QUERIES:,} x {WINDOWS:,} pairs"
    )


def _windows(photos: Voc, ids: list[str]) -> LabelledWindows:
    boxes = [some_boxes(photos.size(image), "cpu", seed)[:WINDOWS_OF_PHOTO] for seed, image in enumerate(ids)]
    images = np.repeat(np.arange(len(ids)), WINDOWS_OF_PHOTO)
    return LabelledWindows(ids, images, images, np.concatenate(boxes), images)


def seconds_of(work: Callable[[], Any], *, runs: int = 2) -> float:
    """Seconds of the last of some runs; the first one compiles and fills caches."""
    for _ in range(runs):
        began = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
