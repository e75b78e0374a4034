"""Clutter: all backgrounds are cut from canvases of the same statistics, so that none gives its clip away."""

from __future__ import annotations

import cv2
import numpy as np

from world_generator.things import HUES, Image

CANVAS = (640, 760)  # px, height and width; leaves room to pan
GRAIN = 20  # px between clouds
SIDES = (5, 26)  # px, sides of a piece


def draw_canvas(rng: np.random.Generator, *, size: tuple[int, int] = CANVAS, density: float = 2e-3) -> Image:
    """A canvas of small clouds strewn with pieces (`density` of them a px); two patches of it are alike at a glance.

    Larger shapes would keep their colour while a thing moves across them, and a pair would be told by its background.
    """
    height, width = size
    clouds = rng.uniform(70, 170, (height // GRAIN + 2, width // GRAIN + 2, 3)).astype(np.float32)
    canvas = cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(round(density * height * width)):
        _draw_piece(rng, canvas)
    canvas = cv2.GaussianBlur(canvas, (0, 0), 0.7)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _draw_piece(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """One ellipse or box of a random colour, somewhere on the canvas, in place."""
    height, width = canvas.shape[:2]
    centre = (float(rng.uniform(0, width)), float(rng.uniform(0, height)))
    extent = (float(rng.uniform(*SIDES)), float(rng.uniform(*SIDES)))
    angle = float(rng.uniform(0, 180))
    pixel = np.array([[[rng.integers(HUES), rng.integers(20, 160), rng.integers(60, 220)]]], np.uint8)
    colour = tuple(float(c) for c in cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0])
    if rng.random() < 0.5:
        cv2.ellipse(canvas, (centre, extent, angle), colour, -1)
    else:
        corners = cv2.boxPoints((centre, extent, angle))
        cv2.fillConvexPoly(canvas, np.round(corners).astype(np.int32), colour)


def cut(rng: np.random.Generator, canvas: Image, *, height: int, width: int) -> Image:
    """A random cut of the canvas, mirrored or not, as a new array (height, width, 3)."""
    top = int(rng.integers(canvas.shape[0] - height + 1))
    left = int(rng.integers(canvas.shape[1] - width + 1))
    piece = canvas[top : top + height, left : left + width]
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    return np.ascontiguousarray(piece)
