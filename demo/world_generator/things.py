"""Things: a category is an outline with a texture; every instance has its own colour, aspect, grain and direction."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

Image = np.ndarray  # uint8 RGB (H, W, 3)

# What a track keeps is the texture, while its box cuts the outline: so each category has a texture of its own, and
# each outline serves two.
CATEGORIES: dict[str, tuple[str, str]] = {
    "striped_disc": ("disc", "stripes"),
    "dotted_disc": ("disc", "dots"),
    "checked_star": ("star", "checks"),
    "ringed_star": ("star", "rings"),
    "mottled_box": ("box", "mottles"),
    "latticed_box": ("box", "lattice"),
    "zigzag_wedge": ("wedge", "zigzags"),
    "speckled_wedge": ("wedge", "speckles"),
}
NAMES = tuple(CATEGORIES)
RADIUS = 40  # px at scale 1: a thing nearly fills a query box of 99 px
TILE = 256  # px, side of a texture; covers the largest outline at any rotation
HUES = 180  # OpenCV's circle of hues
# All things wander through the same band of hues and share their tones: a colour of its own would tell a clip, and
# ranking would learn nothing else.
BAND = (92.0, 120.0)
ANGLES = np.linspace(0, 2 * np.pi, 72, endpoint=False)


@dataclass(frozen=True)
class Pose:
    """How a thing is seen.

    Centre in px, rotation and phase of its ripples in radians, scale and lean without unit, hue on OpenCV's circle.
    """

    x: float
    y: float
    angle: float
    scale: float
    lean: float = 0.0
    ripple: float = 0.0
    hue: float = 0.0


@dataclass(frozen=True)
class Thing:
    """One instance.

    `radii` (72,) is the outline about its centre in px, `tile` uint8 (TILE, TILE) the share of its light tone,
    `dark` and `light` are saturation and value of the two tones.
    """

    category: int
    radii: np.ndarray
    aspect: float
    softness: float
    tile: np.ndarray
    dark: tuple[float, float]
    light: tuple[float, float]


def draw_thing(rng: np.random.Generator, category: int) -> Thing:
    """A new instance of the category."""
    shape, texture = CATEGORIES[NAMES[category]]
    return Thing(
        category,
        radii=RADIUS * rng.uniform(0.92, 1.08) * _outline(rng, shape),
        aspect=float(rng.uniform(0.8, 1.25)),
        softness=float(rng.uniform(0.02, 0.08)),
        tile=(255 * _pattern(rng, texture)).astype(np.uint8),
        dark=(rng.uniform(160, 180), rng.uniform(60, 75)),
        light=(rng.uniform(130, 150), rng.uniform(220, 235)),
    )


def band_hue(phase: float | np.ndarray) -> np.ndarray:
    """Hue at a phase (radians) of the swing through the band."""
    low, high = BAND
    return np.asarray((low + high) / 2 + (high - low) / 2 * np.sin(phase))


def paint(image: Image, thing: Thing, pose: Pose) -> tuple[int, int, int, int]:
    """Paints the thing into the image, in place.

    Returns its box x1 y1 x2 y2, inclusive and clipped to the image; x2 < x1 or y2 < y1 when nothing of it is inside.
    """
    turn = _affine(thing, pose)
    ripple = 1 + thing.softness * np.sin(3 * ANGLES + pose.ripple)
    polar = thing.radii * ripple * np.stack([np.cos(ANGLES), np.sin(ANGLES)])  # (2, 72)
    points = (turn @ polar).T + np.array([pose.x, pose.y])  # (72, 2) in the image
    height, width = image.shape[:2]
    x1, y1 = np.maximum(np.floor(points.min(0)).astype(int), 0)
    x2, y2 = np.minimum(np.ceil(points.max(0)).astype(int), (width - 1, height - 1))
    if x2 >= x1 and y2 >= y1:
        corner = np.array([x1, y1])
        size = (int(x2 - x1 + 1), int(y2 - y1 + 1))
        shift = np.array([[pose.x], [pose.y]]) - corner[:, None] - turn @ np.full((2, 1), TILE / 2)
        pattern = cv2.warpAffine(thing.tile, np.hstack([turn, shift]), size, borderMode=cv2.BORDER_REFLECT_101)
        surface = _tones(thing, pose.hue)[pattern]  # (h, w, 3)
        mask = np.zeros(size[::-1], np.uint8)
        cv2.fillPoly(mask, [np.round((points - corner) * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
        _blend(image[y1 : y2 + 1, x1 : x2 + 1], surface, mask)
    return int(x1), int(y1), int(x2), int(y2)


def _affine(thing: Thing, pose: Pose) -> np.ndarray:
    cos, sin = np.cos(pose.angle), np.sin(pose.angle)
    stretch = np.diag([np.sqrt(thing.aspect), 1 / np.sqrt(thing.aspect)])
    return pose.scale * np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, pose.lean], [0, 1]]) @ stretch


def _blend(below: Image, above: Image, mask: np.ndarray) -> None:
    weight = mask[..., None].astype(np.uint16)
    below[:] = (above * weight + below * (255 - weight) + 127) // 255


def _tones(thing: Thing, hue: float) -> np.ndarray:
    """Colour by share of the light tone, uint8 (256, 3)."""
    share = np.linspace(0, 1, 256)[:, None]
    return ((1 - share) * _rgb(hue, *thing.dark) + share * _rgb(hue, *thing.light)).astype(np.uint8)


def _rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    pixel = np.array([[[hue % HUES, saturation, value]]]).astype(np.uint8)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def _outline(rng: np.random.Generator, shape: str) -> np.ndarray:
    """Radius by angle (72,), about 1."""
    if shape == "disc":
        return np.ones_like(ANGLES)
    if shape == "star":
        wave = np.arccos(np.cos(5 * ANGLES)) / np.pi  # a zigzag 0..1 with five teeth
        return 1.25 - rng.uniform(0.55, 0.7) * wave
    if shape == "box":
        folded = np.mod(ANGLES + np.pi / 4, np.pi / 2) - np.pi / 4
        return 0.9 / np.cos(folded)
    notch = np.abs(np.mod(ANGLES + np.pi, 2 * np.pi) - np.pi) < rng.uniform(0.5, 0.75)
    return np.where(notch, 0.15, 1.08)  # the wedge: a disc with a slice out


def _pattern(rng: np.random.Generator, texture: str) -> np.ndarray:
    """The texture as a share of the light colour, 0..1 (TILE, TILE)."""
    direction, period = rng.uniform(0, np.pi), rng.uniform(13, 22)
    y, x = np.mgrid[:TILE, :TILE].astype(np.float32)
    along = (x * np.cos(direction) + y * np.sin(direction)) * 2 * np.pi / period + rng.uniform(0, 2 * np.pi)
    across = (y * np.cos(direction) - x * np.sin(direction)) * 2 * np.pi / period + rng.uniform(0, 2 * np.pi)
    if texture in ("mottles", "speckles"):
        grain = rng.normal(size=(TILE, TILE)).astype(np.float32)
        smooth = cv2.GaussianBlur(grain, (0, 0), period / (4 if texture == "mottles" else 10))
        return np.clip(0.5 + 1.5 * smooth / smooth.std(), 0, 1)
    waves = {
        "stripes": 3 * np.sin(along),
        "dots": 4 * (np.sin(along) + np.sin(across) - 0.9),
        "checks": 6 * np.sin(along) * np.sin(across),
        "rings": 3 * np.sin(np.hypot(x - TILE / 2, y - TILE / 2) * 2 * np.pi / period + rng.uniform(0, 2 * np.pi)),
        "lattice": 4 * (0.75 - np.maximum(np.cos(along), np.cos(across))),
        "zigzags": 3 * np.sin(along + 1.6 * np.arcsin(np.sin(across / 2))),
    }
    return np.clip(0.5 + 0.5 * waves[texture], 0, 1)
