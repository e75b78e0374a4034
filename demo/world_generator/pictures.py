"""Labelled pictures: a detection set in VOC's format with few labels, and an ImageFolder of single things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from world_generator.backgrounds import cut, draw_canvas
from world_generator.things import NAMES, RADIUS, Image, Pose, band_hue, draw_thing, paint

SIZE = (224, 300)  # px, height and width of a picture of the detection set
CROP = 112  # px, side of a picture of the ImageFolder; training crops 99 of it
LEAST_VISIBLE = 0.7  # a thing counts when so much of its box is inside the picture
Label = tuple[str, tuple[int, int, int, int]]  # category, box x1 y1 x2 y2 (0-based, inclusive)


@dataclass(frozen=True)
class Scene:
    """One picture and the labels of its things."""

    image: Image
    labels: list[Label]


def draw_scene(rng: np.random.Generator, canvases: list[Image], *, first: int) -> Scene:
    """One to three things apart on clutter; the first is of category `first`, so that all are about as frequent."""
    height, width = SIZE
    image = cut(rng, canvases[rng.integers(len(canvases))], height=height, width=width)
    labels: list[Label] = []
    for number in range(int(rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))):
        category = first if number == 0 else int(rng.integers(len(NAMES)))
        pose = _free_place(rng, [box for _, box in labels])
        if pose is not None:
            labels.append((NAMES[category], paint(image, draw_thing(rng, category), pose)))
    return Scene(finish(rng, image), labels)


def draw_crop(rng: np.random.Generator, canvases: list[Image], category: int) -> Image:
    """A picture (CROP, CROP, 3) of one thing near its middle."""
    image = cut(rng, canvases[rng.integers(len(canvases))], height=CROP, width=CROP)
    x, y = CROP / 2 + rng.uniform(-10, 10, 2)
    paint(image, draw_thing(rng, category), _pose(rng, x, y))
    return finish(rng, image)


def finish(rng: np.random.Generator, image: Image) -> Image:
    """Light and sensor noise, as the clips have them."""
    gain = 1 + rng.uniform(-0.2, 0.2) + rng.uniform(-0.07, 0.07, 3)
    lit = cv2.transform(image, np.diag(gain))
    return cv2.add(lit, rng.normal(0, 2, image.shape).round().astype(np.int16), dtype=cv2.CV_8U)


def write_detection_set(root: Path, *, sets: Mapping[str, int], seed: int) -> None:
    """Writes VOCdevkit/VOC2012 below root with one image set of each name and size; `trainval` joins train and val."""
    base = root / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    lists: dict[str, list[str]] = {}
    for number, (name, size) in enumerate(sets.items()):
        rng = np.random.default_rng([seed, 3, number])
        canvases = [draw_canvas(rng) for _ in range(6)]  # no two sets share a canvas
        lists[name] = [f"{name}_{i:05d}" for i in range(size)]
        for i, image_id in enumerate(lists[name]):
            scene = draw_scene(rng, canvases, first=i % len(NAMES))
            _write_jpeg(base / "JPEGImages" / f"{image_id}.jpg", scene.image)
            (base / "Annotations" / f"{image_id}.xml").write_text(_annotation(image_id, scene))
    lists["trainval"] = lists["train"] + lists["val"]
    for name, ids in lists.items():
        (base / "ImageSets" / "Main" / f"{name}.txt").write_text("".join(f"{image_id}\n" for image_id in ids))


def write_class_folders(root: Path, *, per_class: int, seed: int) -> None:
    """Writes imagenet/<category>/*.jpg below root."""
    rng = np.random.default_rng([seed, 4])
    canvases = [draw_canvas(rng) for _ in range(6)]
    for category, name in enumerate(NAMES):
        folder = root / "imagenet" / name
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(per_class):
            _write_jpeg(folder / f"{i:04d}.jpg", draw_crop(rng, canvases, category))


def _pose(rng: np.random.Generator, x: float, y: float) -> Pose:
    """A pose of the range that clips pass through."""
    angle, ripple = rng.uniform(0, 2 * np.pi, 2)
    scale = float(np.exp(rng.uniform(np.log(0.75), np.log(1.25))))
    return Pose(x, y, angle, scale, rng.uniform(-0.2, 0.2), ripple, float(band_hue(rng.uniform(0, 2 * np.pi))))


def _free_place(rng: np.random.Generator, taken: list[tuple[int, int, int, int]]) -> Pose | None:
    """A pose inside the picture, clear of the boxes already taken; None after 20 misses."""
    height, width = SIZE
    for _ in range(20):
        pose = _pose(rng, 0, 0)
        reach = RADIUS * pose.scale
        x, y = rng.uniform(LEAST_VISIBLE * reach, np.array([width, height]) - LEAST_VISIBLE * reach)
        if all(x + reach < x1 or x - reach > x2 or y + reach < y1 or y - reach > y2 for x1, y1, x2, y2 in taken):
            return replace(pose, x=x, y=y)
    return None


def _annotation(image_id: str, scene: Scene) -> str:
    """VOC's XML; its boxes count from 1."""
    height, width, depth = scene.image.shape
    objects = "".join(
        f"<object><name>{name}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
        f"<bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2 + 1}</xmax><ymax>{y2 + 1}</ymax></bndbox>"
        "</object>\n"
        for name, (x1, y1, x2, y2) in scene.labels
    )
    return (
        f"<annotation>\n<folder>VOC2012</folder><filename>{image_id}.jpg</filename>\n"
        f"<size><width>{width}</width><height>{height}</height><depth>{depth}</depth></size>\n{objects}</annotation>\n"
    )


def _write_jpeg(path: Path, image: Image) -> None:
    path.write_bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality=92))
