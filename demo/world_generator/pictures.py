"""Labelled pictures: a small detection set in VOC's format, and an ImageFolder with one thing in each picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from world_generator.backgrounds import cut_background, draw_canvases
from world_generator.grants import ALL, Grants
from world_generator.things import NAMES, RADIUS, Image, Pose, draw_thing, paint, picture_hue

PICTURE_SIZE = (224, 300)  # px, height and width of a picture of the detection set
CROP_SIDE = 112  # px, side of a picture of the ImageFolder; training takes crops of 99 px from it
LEAST_BORDER_DISTANCE = 0.7  # of a thing's centre from the border of the picture, in radii of the thing
Label = tuple[str, tuple[int, int, int, int]]  # category, box x1 y1 x2 y2 (0-based, inclusive)


@dataclass(frozen=True)
class LabelledPicture:
    """One picture and the labels of its things."""

    image: Image
    labels: list[Label]


def draw_picture(
    rng: np.random.Generator, canvases: list[Image], *, first_category: int, grants: Grants = ALL
) -> LabelledPicture:
    """Draw one to three separate things on clutter.

    The first thing is of the category `first_category`, so that all categories are about equally frequent.
    """
    height, width = PICTURE_SIZE
    image = cut_background(rng, canvases[rng.integers(len(canvases))], height=height, width=width)
    labels: list[Label] = []
    for number in range(int(rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))):
        category = first_category if number == 0 else int(rng.integers(len(NAMES)))
        pose = _free_pose(rng, [box for _, box in labels], grants)
        if pose is not None:
            labels.append((NAMES[category], paint(image, draw_thing(rng, category), pose)))
    return LabelledPicture(finish(rng, image), labels)


def draw_crop(rng: np.random.Generator, canvases: list[Image], category: int, *, grants: Grants = ALL) -> Image:
    """Draw a picture (CROP_SIDE, CROP_SIDE, 3) with one thing near its middle."""
    image = cut_background(rng, canvases[rng.integers(len(canvases))], height=CROP_SIDE, width=CROP_SIDE)
    x, y = CROP_SIDE / 2 + rng.uniform(-10, 10, 2)
    paint(image, draw_thing(rng, category), _random_pose(rng, x, y, grants))
    return finish(rng, image)


def finish(rng: np.random.Generator, image: Image) -> Image:
    """Add light and sensor noise like those of the clips."""
    gains = 1 + rng.uniform(-0.2, 0.2) + rng.uniform(-0.07, 0.07, 3)
    lit = cv2.transform(image, np.diag(gains))
    return cv2.add(lit, rng.normal(0, 2, image.shape).round().astype(np.int16), dtype=cv2.CV_8U)


def write_detection_set(root: Path, *, set_sizes: Mapping[str, int], seed: int, grants: Grants = ALL) -> None:
    """Write VOCdevkit/VOC2012 below root, with one image set for each name and size; `trainval` joins train and val."""
    voc2012 = root / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (voc2012 / folder).mkdir(parents=True, exist_ok=True)
    image_ids: dict[str, list[str]] = {}
    for number, (name, size) in enumerate(set_sizes.items()):
        rng = np.random.default_rng([seed, 3, number])
        canvases = draw_canvases(rng, grants)  # each set has canvases of its own
        image_ids[name] = [f"{name}_{i:05d}" for i in range(size)]
        for i, image_id in enumerate(image_ids[name]):
            picture = draw_picture(rng, canvases, first_category=i % len(NAMES), grants=grants)
            write_jpeg(voc2012 / "JPEGImages" / f"{image_id}.jpg", picture.image)
            (voc2012 / "Annotations" / f"{image_id}.xml").write_text(_annotation(image_id, picture))
    image_ids["trainval"] = image_ids["train"] + image_ids["val"]
    for name, ids in image_ids.items():
        (voc2012 / "ImageSets" / "Main" / f"{name}.txt").write_text("".join(f"{image_id}\n" for image_id in ids))


def write_class_folders(root: Path, *, per_class: int, seed: int, grants: Grants = ALL) -> None:
    """Write imagenet/<category>/*.jpg below root."""
    rng = np.random.default_rng([seed, 4])
    canvases = draw_canvases(rng, grants)
    for category, name in enumerate(NAMES):
        folder = root / "imagenet" / name
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(per_class):
            write_jpeg(folder / f"{i:04d}.jpg", draw_crop(rng, canvases, category, grants=grants))


def _random_pose(rng: np.random.Generator, x: float, y: float, grants: Grants) -> Pose:
    """A random pose centred on (x, y), within the range of the poses in the demo's clips."""
    angle, ripple = rng.uniform(0, 2 * np.pi, 2)
    scale = float(np.exp(rng.uniform(np.log(0.75), np.log(1.25))))
    return Pose(x, y, angle, scale, rng.uniform(-0.2, 0.2), ripple, picture_hue(rng.uniform(0, 2 * np.pi), grants))


def _free_pose(rng: np.random.Generator, taken_boxes: list[tuple[int, int, int, int]], grants: Grants) -> Pose | None:
    """A pose inside the picture that overlaps none of the taken boxes; None after 20 attempts."""
    height, width = PICTURE_SIZE
    for _ in range(20):
        pose = _random_pose(rng, 0, 0, grants)
        radius = RADIUS * pose.scale
        x, y = rng.uniform(LEAST_BORDER_DISTANCE * radius, np.array([width, height]) - LEAST_BORDER_DISTANCE * radius)
        if all(
            x + radius < x1 or x - radius > x2 or y + radius < y1 or y - radius > y2 for x1, y1, x2, y2 in taken_boxes
        ):
            return replace(pose, x=x, y=y)
    return None


def _annotation(image_id: str, picture: LabelledPicture) -> str:
    """A picture's annotation as VOC's XML, whose boxes count from 1."""
    height, width, depth = picture.image.shape
    objects = "".join(
        f"<object><name>{name}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
        f"<bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2 + 1}</xmax><ymax>{y2 + 1}</ymax></bndbox>"
        "</object>\n"
        for name, (x1, y1, x2, y2) in picture.labels
    )
    return (
        f"<annotation>\n<folder>VOC2012</folder><filename>{image_id}.jpg</filename>\n"
        f"<size><width>{width}</width><height>{height}</height><depth>{depth}</depth></size>\n{objects}</annotation>\n"
    )


def write_jpeg(path: Path, image: Image) -> None:
    """Write an image as a JPEG file."""
    path.write_bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality=92))
