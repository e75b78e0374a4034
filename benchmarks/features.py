"""How many windows a second become fc7 features, and how long does the device wait for photos?

Measured from photos on disk to features in memory, after the first quarter of the photos, in which cuDNN tries its
convolutions. The photos are those of DATA (environment; default ../shared/data), or noise of VOC's size if there are
none. Each has 2,000 windows drawn at random, as many as selective search proposes. On a CPU 200 windows of a few photos
are computed in fp32 and, where the processor has it, in bf16. On a GPU all precisions are measured.
"""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import simplejpeg
import torch

from benchmarks.training import has_bf16
from tracklearn.features.computed import ComputedFeatures
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.weights import save_weights
from tracklearn.voc.annotations import Voc

WINDOWS = 2000  # of a photo
PHOTOS = {"cpu": 4, "cuda": 256}
WINDOWS_ON_CPU = 200  # of a photo; the rate does not depend on their number
SYNTHETIC = (375, 500)  # height and width


def main() -> None:
    """Print a table."""
    cores = len(os.sched_getaffinity(0))
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    where = torch.cuda.get_device_name() if kind == "cuda" else f"CPU, {cores} threads"
    with tempfile.TemporaryDirectory(prefix="tracklearn-features-") as folder:
        photos, ids, source = some_photos(Path(folder))
        save_weights(Path(folder, "net.safetensors"), CaffeNet(fc7=4096))
        listed = [ids[index % len(ids)] for index in range(PHOTOS[kind])]
        print(f"{where}; {len(set(listed))} photos {source}\n")
        print("| precision | windows/s | the device waits for photos | hours for VOC 2012's 11,540 photos, one model |")
        print("|---|---|---|---|")
        for precision in ("fp32", "tf32", "bf16") if kind == "cuda" else ("fp32", "bf16") if has_bf16() else ("fp32",):
            rate, waiting = measure(photos, listed, Path(folder, "net.safetensors"), precision, kind, cores)
            print(f"| {precision} | {rate:.0f} | {waiting:.1%} | {11_540 * WINDOWS / rate / 3600:.1f} |", flush=True)
    if kind == "cpu":
        print("GPU: not measured, there is none here")


def measure(
    photos: Voc, ids: list[str], weights: Path, precision: str, kind: str, threads: int, *, layer: str = "fc7"
) -> tuple[float, float]:
    """Windows per second, and the share of the whole time in which the device had no photo to compute with."""
    boxes = {f"{number}": some_boxes(photos.size(image_id), kind, number) for number, image_id in enumerate(ids)}
    source = ComputedFeatures(
        _Repeated(photos, ids), boxes, weights=[weights], layer=layer, ground_truth=False,
        precision=precision, threads=threads,
    )  # fmt: skip
    windows = source.windows()
    started = time.perf_counter()
    for _ in range(len(ids) // 4):
        next(windows)
    began = time.perf_counter()
    done = sum(len(each.boxes) for each in windows)
    ended = time.perf_counter()
    return done / (ended - began), source.extractor.waited / (ended - started)


class _Repeated(Voc):
    """Photos by their place in a list of ids, in which a photo may come several times."""

    def __init__(self, photos: Voc, ids: list[str]) -> None:
        super().__init__(photos.root, photos.year)
        self._ids = ids

    def image(self, image_id: str) -> np.ndarray:
        return super().image(self._ids[int(image_id)])


def some_boxes(size: tuple[int, int], kind: str, seed: int) -> np.ndarray:
    """Boxes (N, 4) of sides of at least 20 pixels."""
    rng = np.random.default_rng(seed)
    limits = np.array(size)
    count = WINDOWS if kind == "cuda" else WINDOWS_ON_CPU
    corner = rng.random((count, 2)) * (limits - 21)
    side = 20 + rng.random((count, 2)) * (limits - 21 - corner)
    return np.hstack([corner, corner + side]).astype(np.float32)


def some_photos(folder: Path) -> tuple[Voc, list[str], str]:
    """Photos, their ids, and where they are from."""
    root = Path(os.environ.get("DATA", "../shared/data"), "voc_mini/VOCdevkit")
    if (root / "VOC2012").is_dir():
        return Voc(root), sorted(path.stem for path in (root / "VOC2012/JPEGImages").glob("*.jpg")), f"of {root}"
    (folder / "VOC2012/JPEGImages").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(16):
        small = rng.integers(0, 256, (SYNTHETIC[0] // 8 + 1, SYNTHETIC[1] // 8 + 1, 3), dtype=np.uint8)
        noise = np.ascontiguousarray(small.repeat(8, 0).repeat(8, 1)[: SYNTHETIC[0], : SYNTHETIC[1]])
        (folder / f"VOC2012/JPEGImages/{number}.jpg").write_bytes(simplejpeg.encode_jpeg(noise, quality=90))
    return Voc(folder), [f"{number}" for number in range(16)], "of noise"


if __name__ == "__main__":
    main()
