"""A VOCdevkit of painted rectangles."""

from pathlib import Path

import numpy as np
import pytest
import simplejpeg

HEIGHT, WIDTH = 90, 120
SETS = {"train": 4, "val": 3, "test": 5}


def random_boxes(rng, count, side=60):
    """Boxes (count, 4) inside a square of `side` pixels."""
    corners = np.sort(rng.integers(0, side, (count, 2, 2)), axis=1)
    return corners.reshape(count, 4).astype(np.float32)


def annotation(objects, *, width=WIDTH, height=HEIGHT):
    """VOC's XML of objects (name, x1, y1, x2, y2, difficult) with 0-based corners."""
    text = "".join(
        f"<object><name>{name}</name><difficult>{int(difficult)}</difficult><bndbox><xmin>{x1 + 1}</xmin>"
        f"<ymin>{y1 + 1}</ymin><xmax>{x2 + 1}</xmax><ymax>{y2 + 1}</ymax></bndbox></object>"
        for name, x1, y1, x2, y2, difficult in objects
    )
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>{size}{text}</annotation>"


def write_image(folder: Path, image_id: str, objects, *, seed: int = 0) -> None:
    """Write a noisy photo with a rectangle for each object, red for cats and blue for dogs, and its annotation."""
    rng = np.random.default_rng(seed)
    image = rng.integers(90, 120, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for name, x1, y1, x2, y2, _ in objects:
        image[y1 : y2 + 1, x1 : x2 + 1] = (220, 30, 30) if name == "cat" else (30, 30, 220)
    (folder / "JPEGImages" / f"{image_id}.jpg").write_bytes(simplejpeg.encode_jpeg(image, quality=95))
    (folder / "Annotations" / f"{image_id}.xml").write_text(annotation(objects))


@pytest.fixture
def devkit(tmp_path) -> Path:
    """VOC2012 with 4 train, 3 val and 5 test images, each with a cat and a dog; a set's second dog is difficult."""
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    number = 0
    for name, count in SETS.items():
        ids = [f"{name}_{index}" for index in range(count)]
        (folder / "ImageSets/Main" / f"{name}.txt").write_text("\n".join(ids) + "\n")
        for index, image_id in enumerate(ids):
            number += 1
            cat = ("cat", 5 + 3 * index, 8, 44 + 3 * index, 52, False)
            dog = ("dog", 70, 20 + index, 110, 70 + index, index == 1)
            write_image(folder, image_id, [cat, dog], seed=number)
    (folder / "ImageSets/Main/trainval.txt").write_text(
        (folder / "ImageSets/Main/train.txt").read_text() + (folder / "ImageSets/Main/val.txt").read_text()
    )
    return tmp_path / "VOCdevkit"
