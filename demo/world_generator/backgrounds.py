"""Clutter: all backgrounds are cut from canvases of the same statistics, so that none gives its clip away."""

from __future__ import annotations

import cv2
import numpy as np

from world_generator.things import HUES, Image

CANVAS = (640, 760)  # px, height and width; leaves room to pan


def draw_canvas(
    rng: np.random.Generator, *, size: tuple[int, int] = CANVAS, pieces: int = 150, crumbs: int = 600
) -> Image:
    """A canvas of clouds of colour under large pieces half transparent and crumbs that give points to hold on to."""
    height, width = size
    clouds = rng.uniform(50, 190, (height // 60 + 2, width // 60 + 2, 3)).astype(np.float32)
    canvas = cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(pieces):
        layer = canvas.copy()
        _draw_piece(rng, layer, sides=(16, 90))
        opacity = float(rng.uniform(0.3, 0.8))
        cv2.addWeighted(layer, opacity, canvas, 1 - opacity, 0, dst=canvas)
    canvas = cv2.GaussianBlur(canvas, (0, 0), 1.2)
    for _ in range(crumbs):
        _draw_piece(rng, canvas, sides=(4, 12))
    canvas = cv2.GaussianBlur(canvas, (0, 0), 0.6)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _draw_piece(rng: np.random.Generator, canvas: np.ndarray, *, sides: tuple[float, float]) -> None:
    """One ellipse or box of a random colour, somewhere on the canvas, in place."""
    height, width = canvas.shape[:2]
    centre = (float(rng.uniform(0, width)), float(rng.uniform(0, height)))
    extent = (float(rng.uniform(*sides)), float(rng.uniform(*sides)))
    angle = float(rng.uniform(0, 180))
    pixel = np.array([[[rng.integers(HUES), rng.integers(40, 200), rng.integers(50, 230)]]], np.uint8)
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
