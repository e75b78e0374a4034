"""Clutter: all backgrounds are cut from canvases of the same statistics, so that no background identifies its clip."""

from __future__ import annotations

import cv2
import numpy as np

from world_generator.things import HUES, Image

CANVAS_SIZE = (640, 760)  # px, height and width; larger than a frame, so that the camera can pan
CLOUD_SPACING = 20  # px between clouds
SHAPE_SIDES = (5, 26)  # px, shortest and longest side of a shape


def draw_canvas(rng: np.random.Generator, *, size: tuple[int, int] = CANVAS_SIZE, density: float = 2e-3) -> Image:
    """Draw a canvas of small clouds with shapes on them (`density` shapes a px); all its patches look alike.

    Larger shapes would keep their colour while a thing moves across them, and the background would identify a pair.
    """
    height, width = size
    clouds = rng.uniform(70, 170, (height // CLOUD_SPACING + 2, width // CLOUD_SPACING + 2, 3)).astype(np.float32)
    canvas = cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(round(density * height * width)):
        _draw_shape(rng, canvas)
    canvas = cv2.GaussianBlur(canvas, (0, 0), 0.7)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _draw_shape(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Draw one ellipse or box of a random colour at a random place of the canvas, in place."""
    height, width = canvas.shape[:2]
    centre = (float(rng.uniform(0, width)), float(rng.uniform(0, height)))
    sides = (float(rng.uniform(*SHAPE_SIDES)), float(rng.uniform(*SHAPE_SIDES)))
    angle = float(rng.uniform(0, 180))
    pixel = np.array([[[rng.integers(HUES), rng.integers(20, 160), rng.integers(60, 220)]]], np.uint8)
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
