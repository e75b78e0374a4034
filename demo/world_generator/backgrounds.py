"""Clutter from which backgrounds are cut. All canvases of a habitat have the same statistics.

The demo's world has a single habitat, so that no background identifies its clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from world_generator.grants import Grants
from world_generator.things import HUES, STRANGERS, Image, rgb

CANVAS_SIZE = (640, 760)  # px, height and width; larger than a frame, so that the camera can pan
CLOUD_SPACING = 20  # px between clouds
SHAPE_SIDES = (5, 26)  # px, shortest and longest side of a shape


@dataclass(frozen=True)
class Habitat:
    """Statistics of a background.

    `density` is the number of shapes a px, and `sides` are the shortest and the longest side of a shape in px. Clouds
    and shapes keep near `hue`, a hue of OpenCV's circle; None stands for all hues.
    """

    density: float = 2e-3
    sides: tuple[int, int] = SHAPE_SIDES
    hue: float | None = None


EVERYWHERE = Habitat()
HABITATS = tuple(
    Habitat(
        density=(0.6e-3, 1.2e-3)[i % 2], sides=((4, 14), (12, 26))[i // 2 % 2], hue=HUES * (i + 0.5) / len(STRANGERS)
    )
    for i in range(len(STRANGERS))
)
"""A kind of background for each category of the clips, in a world without equal backgrounds."""
HUE_SPREAD = 20  # largest distance of a shape's hue from its habitat's


def habitats(grants: Grants, *, count: int) -> Sequence[Habitat]:
    """The habitat of each of about `count` canvases: the same for all, or equally many canvases of each habitat."""
    return [EVERYWHERE] * count if grants.equal_backgrounds else HABITATS * round(count / len(HABITATS))


def draw_canvases(rng: np.random.Generator, grants: Grants, *, count: int = 6) -> list[Image]:
    """Draw a canvas for each of `habitats`."""
    return [draw_canvas(rng, habitat) for habitat in habitats(grants, count=count)]


def draw_canvas(
    rng: np.random.Generator, habitat: Habitat = EVERYWHERE, *, size: tuple[int, int] = CANVAS_SIZE
) -> Image:
    """Draw a canvas of small clouds with shapes on them; all its patches look alike.

    Larger shapes would keep their colour while a thing moves across them, and the background would identify a pair.
    """
    height, width = size
    clouds = rng.uniform(70, 170, (height // CLOUD_SPACING + 2, width // CLOUD_SPACING + 2, 3)).astype(np.float32)
    if habitat.hue is not None:
        clouds = 0.4 * (clouds - 120) + rgb(habitat.hue, 90, 140)
    canvas = cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(round(habitat.density * height * width)):
        _draw_shape(rng, canvas, habitat)
    canvas = cv2.GaussianBlur(canvas, (0, 0), 0.7)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _draw_shape(rng: np.random.Generator, canvas: np.ndarray, habitat: Habitat) -> None:
    """Draw one ellipse or box of a random colour of the habitat at a random place of the canvas, in place."""
    height, width = canvas.shape[:2]
    centre = (float(rng.uniform(0, width)), float(rng.uniform(0, height)))
    sides = (float(rng.uniform(*habitat.sides)), float(rng.uniform(*habitat.sides)))
    angle = float(rng.uniform(0, 180))
    hue = float(rng.integers(HUES))
    if habitat.hue is not None:
        hue = (habitat.hue + HUE_SPREAD * (2 * hue / HUES - 1)) % HUES
    pixel = np.array([[[hue, rng.integers(20, 160), rng.integers(60, 220)]]], np.uint8)
    colour = tuple(float(c) for c in cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0])
    if rng.random() < 0.5:
        cv2.ellipse(canvas, (centre, sides, angle), colour, -1)
    else:
        corners = cv2.boxPoints((centre, sides, angle))
        cv2.fillConvexPoly(canvas, np.round(corners).astype(np.int32), colour)


def cut_background(rng: np.random.Generator, canvas: Image, *, height: int, width: int) -> Image:
    """Cut a random window out of the canvas, mirrored or not; returns a new array (height, width, 3)."""
    top = int(rng.integers(canvas.shape[0] - height + 1))
    left = int(rng.integers(canvas.shape[1] - width + 1))
    window = canvas[top : top + height, left : left + width]
    if rng.random() < 0.5:
        window = window[:, ::-1]
    return np.ascontiguousarray(window)
