"""Do a row's SVMs at VOC's size (5,717 photos x 2,000 windows x 4,096 values) fit in 20 GB, and how long do they take?

`train_svms` is given the ground-truth boxes of all photos, so that each class has as many positives as in VOC, but the
proposals of the first photos only. The features are computed when they are asked for: rectified sums of 64 factors of
the photo and of the window, the directions of the objects that the window overlaps, and noise. As in a trained fc7,
80% of them are zero. The directions of four classes each have a common part, so one class's objects are hard negatives
of another class.

    python -m benchmarks.svm_at_size 200 20 3     photos with proposals, classes, models of an ensemble
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from tracklearn.detection.svm import train_svms
from tracklearn.features.windows import NO_BOXES, Rows, Source
from tracklearn.voc.boxes import iou

PHOTOS, PROPOSALS, WIDTH, FACTORS = 5717, 2000, 4096, 64
HEIGHT_WIDTH = 375, 500
FIRST_CLASS = 0.3  # share of the objects; in VOC these are persons
OBJECTS = 1.76  # of a photo beyond the first; 15.8K in all
ANNOTATION = "<annotation><size><width>{1}</width><height>{0}</height></size>{2}</annotation>"
OBJECT = (
    "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
    "<difficult>0</difficult></object>"
)


class SyntheticWindows(Source):
    """Photos and features that are drawn at random."""

    def __init__(self, with_proposals: int, classes: int, models: int) -> None:
        rng = np.random.default_rng(0)
        shares = np.r_[FIRST_CLASS, np.full(19, (1 - FIRST_CLASS) / 19)][:classes]
        self.labels, self.objects, boxes = [], [], []
        for photo in range(PHOTOS):
            # With fewer classes there are fewer objects, and each class keeps its number.
            labels = rng.choice(classes, rng.poisson((1 + OBJECTS) * shares.sum()), p=shares / shares.sum())
            objects = _boxes(rng, len(labels), 60, 250)
            self.labels.append(labels)
            self.objects.append(objects)
            boxes.append(
                np.concatenate([objects, _boxes(rng, PROPOSALS, 30, 370) if photo < with_proposals else NO_BOXES])
            )
        width = models * WIDTH
        self.factors = (rng.normal(size=(FACTORS, width)) / np.sqrt(np.arange(1, FACTORS + 1))[:, None]).astype(
            np.float32
        )
        own, common = rng.normal(size=(classes, width)), rng.normal(size=(5, width))
        self.directions = (1.2 * (own + common[np.arange(classes) // 4])).astype(np.float32)
        self.seconds = 0.0  # spent on drawing features
        super().__init__(
            ids=[f"{photo:06d}" for photo in range(PHOTOS)],
            boxes=boxes,
            ground_truth=[len(labels) for labels in self.labels],
            names=["random features"] * models,
            widths=[WIDTH] * models,
        )

    def _features(self, rows: Rows) -> Generator[Sequence[np.ndarray]]:
        for photo, own in enumerate(rows):
            start = time.process_time()
            rng = np.random.default_rng([1, photo])
            strength = rng.uniform(0.4, 1.3, len(self.labels[photo])).astype(np.float32)
            of_photo = rng.standard_normal(FACTORS, np.float32)
            # Rows are drawn in order, so a window has the same features whichever windows are asked for with it.
            drawn = rng.standard_normal((own[-1] + 1 if len(own) else 0, FACTORS + sum(self.widths)), np.float32)[own]
            seen = iou(self.boxes[photo][own], self.objects[photo]) * strength  # (n, objects)
            values = 0.7 * (drawn[:, :FACTORS] + of_photo) @ self.factors + drawn[:, FACTORS:]
            values += seen @ self.directions[self.labels[photo]]
            features = np.maximum(values - 1.9, 0).astype(np.float16)
            self.seconds += time.process_time() - start
            yield np.split(features, len(self.widths), axis=1)

    def write(self, root: Path) -> list[str]:
        """Write the annotations as those of VOC2012 and return the names of the classes."""
        names = [f"class{label}" for label in range(len(self.directions))]
        folder = root / "VOC2012"
        (folder / "Annotations").mkdir(parents=True)
        (folder / "JPEGImages").mkdir()
        (folder / "photo.jpg").write_bytes(cv2.imencode(".jpg", np.zeros((*HEIGHT_WIDTH, 3), np.uint8))[1].tobytes())
        for image_id, objects, labels in zip(self.ids, self.objects, self.labels, strict=True):
            (folder / f"JPEGImages/{image_id}.jpg").hardlink_to(folder / "photo.jpg")
            elements = [OBJECT.format(names[label], *(box + 1)) for box, label in zip(objects, labels, strict=True)]
            (folder / f"Annotations/{image_id}.xml").write_text(ANNOTATION.format(*HEIGHT_WIDTH, "".join(elements)))
        return names


def main(with_proposals: int = 40, classes: int = 20, models: int = 1) -> None:
    """Print seconds and memory as the photos are mined, and what they make at VOC's size."""
    process = get_context("spawn").Process(
        target=_measure, args=(with_proposals, classes, models)
    )  # its memory is its own
    process.start()
    process.join()


def _measure(with_proposals: int, classes: int, models: int) -> None:
    source = SyntheticWindows(with_proposals, classes, models)
    objects = sum(source.ground_truth)
    print(f"{models} models, {classes} classes; {objects} objects in {PHOTOS} photos; {with_proposals} with proposals")
    print("photos  seconds  cached negatives a class  peak MiB", flush=True)
    steps = {max(1, with_proposals * eighth // 8) for eighth in range(9)}
    seconds = {0: 0.0}
    begun = 0.0

    def report(done: int, metrics: Mapping[str, float]) -> None:
        nonlocal begun
        begun = begun or time.process_time() - source.seconds
        if done in steps or done == PHOTOS:
            seconds[done] = time.process_time() - source.seconds - begun
            print(f"{done:6d} {seconds[done]:8.0f} {metrics['negatives'] / classes:25.0f} {_peak():9.0f}", flush=True)

    root = Path(tempfile.mkdtemp())
    try:
        names = source.write(root)
        found = train_svms(voc=root, year=2012, classes=names, source=source, out=root / "svms.npz", report=report)
    finally:
        shutil.rmtree(root)
    half = max(step for step in seconds if step <= with_proposals / 2)
    slope = (seconds[with_proposals] - seconds[half]) / (with_proposals - half)
    hours = (seconds[with_proposals] + slope * (PHOTOS - with_proposals)) / 3600 * 20 / classes
    print(
        f"{found['fits']} trainings, largest gap {found['duality_gap']:.1e}; {slope:.2f} s a photo in the second half: "
        f"at most {hours:.1f} core-hours for all photos and 20 classes, if it does not get slower"
    )


def _boxes(rng: np.random.Generator, count: int, least: float, most: float) -> np.ndarray:
    """Boxes (count, 4) of whole pixels in a photo whose sides lie between `least` and `most`, as logarithms evenly."""
    height, width = HEIGHT_WIDTH
    sides = np.minimum(np.exp(rng.uniform(np.log(least), np.log(most), (count, 2))), (width - 1, height - 1))
    corners = rng.uniform(size=(count, 2)) * ((width - 1, height - 1) - sides)
    return np.hstack([corners, corners + sides]).round().astype(np.float32)


def _peak() -> float:
    """The largest resident memory of this process so far, in MiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
