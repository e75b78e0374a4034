"""Things: a category is an outline with a texture; every instance has its own tones, aspect, period and direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from world_generator.grants import Grants

Image = np.ndarray  # uint8 RGB (H, W, 3)

# The box of a track shows the texture but cuts off the outline. Each category therefore has its own texture, and two
# categories share each outline.
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
# These share neither outline nor texture with the categories above.
STRANGERS: dict[str, tuple[str, str]] = {
    "bricked_flower": ("flower", "bricks"),
    "scaled_flower": ("flower", "scales"),
    "woven_cross": ("cross", "weaves"),
    "dashed_cross": ("cross", "dashes"),
    "honeycombed_triangle": ("triangle", "honeycombs"),
    "cracked_triangle": ("triangle", "cracks"),
    "streaked_leaf": ("leaf", "streaks"),
    "rayed_leaf": ("leaf", "rays"),
}
ALL_NAMES = (*CATEGORIES, *STRANGERS)
RADIUS = 40  # px at scale 1: a thing nearly fills a query box of 99 px
TEXTURE_SIDE = 256  # px; the texture covers the largest outline at any rotation
HUES = 180  # number of hues on OpenCV's circle
# The hue of every thing swings through the same band, and all things share their tones. If a thing had its own colour,
# the colour would identify the clip, and ranking would learn nothing else.
HUE_BAND = (92.0, 120.0)  # lowest and highest hue on OpenCV's circle
OWN_SWING = 5.0  # how far a thing's own hue swings to each side, where a world grants no equal hues
ANGLES = np.linspace(0, 2 * np.pi, 72, endpoint=False)


@dataclass(frozen=True)
class Pose:
    """Place and look of a thing in one image.

    The centre (x, y) is in px, the rotation `angle` and the phase `ripple` of the ripples are in radians, `scale` and
    `lean` have no unit, and `hue` is on OpenCV's circle.
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
    """One instance of a category.

    `radii` (72,) is the outline: the distances from the centre in px, by angle. `softness` is the height of the ripples
    as a share of the radius. `texture` uint8 (TEXTURE_SIDE, TEXTURE_SIDE) is the share of the light tone in 255ths.
    `dark_tone` and `light_tone` are saturation and value.
    """

    category: int
    radii: np.ndarray
    aspect: float
    softness: float
    texture: np.ndarray
    dark_tone: tuple[float, float]
    light_tone: tuple[float, float]


def draw_thing(rng: np.random.Generator, category: int) -> Thing:
    """Draw a new instance of the category, an index into ALL_NAMES."""
    outline_name, texture_name = (CATEGORIES | STRANGERS)[ALL_NAMES[category]]
    return Thing(
        category,
        radii=RADIUS * rng.uniform(0.92, 1.08) * _outline(rng, outline_name),
        aspect=float(rng.uniform(0.8, 1.25)),
        softness=float(rng.uniform(0.02, 0.08)),
        texture=(255 * light_share(rng, texture_name)).astype(np.uint8),
        dark_tone=(rng.uniform(160, 180), rng.uniform(60, 75)),
        light_tone=(rng.uniform(130, 150), rng.uniform(220, 235)),
    )


def band_hue(phase: float | np.ndarray) -> np.ndarray:
    """Hue at a phase (radians) of the swing through the band."""
    low, high = HUE_BAND
    return np.asarray((low + high) / 2 + (high - low) / 2 * np.sin(phase))


def own_hue(phase: float, swing: float | np.ndarray = 0.0) -> np.ndarray:
    """Hue at a phase (radians) of the whole circle, from which it swings a little (radians of the swing)."""
    return np.asarray(HUES * phase / (2 * np.pi) + OWN_SWING * np.sin(swing)) % HUES


def picture_hue(phase: float, grants: Grants) -> float:
    """Hue of a thing in a single picture, from a phase in radians."""
    return float(band_hue(phase) if grants.equal_hues else own_hue(phase))


def paint(image: Image, thing: Thing, pose: Pose) -> tuple[int, int, int, int]:
    """Paint the thing into the image, in place.

    Returns the thing's box x1 y1 x2 y2, inclusive and clipped to the image; x2 < x1 or y2 < y1 if no part of the thing
    is inside the image.
    """
    affine = _affine(thing, pose)
    ripple = 1 + thing.softness * np.sin(3 * ANGLES + pose.ripple)
    outline = thing.radii * ripple * np.stack([np.cos(ANGLES), np.sin(ANGLES)])  # (2, 72) about the centre
    points = (affine @ outline).T + np.array([pose.x, pose.y])  # (72, 2) in the image
    height, width = image.shape[:2]
    x1, y1 = np.maximum(np.floor(points.min(0)).astype(int), 0)
    x2, y2 = np.minimum(np.ceil(points.max(0)).astype(int), (width - 1, height - 1))
    if x2 >= x1 and y2 >= y1:
        corner = np.array([x1, y1])
        size = (int(x2 - x1 + 1), int(y2 - y1 + 1))
        shift = np.array([[pose.x], [pose.y]]) - corner[:, None] - affine @ np.full((2, 1), TEXTURE_SIDE / 2)
        texture = cv2.warpAffine(thing.texture, np.hstack([affine, shift]), size, borderMode=cv2.BORDER_REFLECT_101)
        surface = _tones(thing, pose.hue)[texture]  # (h, w, 3)
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
    """Colours uint8 (256, 3), indexed by the share of the light tone in 255ths."""
    share = np.linspace(0, 1, 256)[:, None]
    return ((1 - share) * rgb(hue, *thing.dark_tone) + share * rgb(hue, *thing.light_tone)).astype(np.uint8)


def rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    """Colour float32 (3,) of OpenCV's hue, saturation and value."""
    pixel = np.array([[[hue % HUES, saturation, value]]]).astype(np.uint8)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def _outline(rng: np.random.Generator, outline_name: str) -> np.ndarray:
    """Radii by angle (72,), near 1."""
    if outline_name == "disc":
        return np.ones_like(ANGLES)
    if outline_name == "star":
        wave = np.arccos(np.cos(5 * ANGLES)) / np.pi  # a zigzag 0..1 with five teeth
        return 1.25 - rng.uniform(0.55, 0.7) * wave
    if outline_name == "box":
        folded = np.mod(ANGLES + np.pi / 4, np.pi / 2) - np.pi / 4
        return 0.9 / np.cos(folded)
    if outline_name != "wedge":
        return _strange_outline(rng, outline_name)
    notch = np.abs(np.mod(ANGLES + np.pi, 2 * np.pi) - np.pi) < rng.uniform(0.5, 0.75)
    return np.where(notch, 0.15, 1.08)  # the wedge is a disc without one slice


def _strange_outline(rng: np.random.Generator, outline_name: str) -> np.ndarray:
    """Radii by angle (72,) of the outlines that only STRANGERS have."""
    if outline_name == "triangle":
        folded = np.mod(ANGLES + np.pi / 3, 2 * np.pi / 3) - np.pi / 3
        return 0.65 / np.cos(folded)
    if outline_name == "flower":
        return 0.9 + rng.uniform(0.2, 0.3) * np.cos(6 * ANGLES)
    long, wide = np.abs([np.cos(ANGLES), np.sin(ANGLES)])
    if outline_name == "leaf":
        return ((long / 1.25) ** 1.3 + (wide / rng.uniform(0.5, 0.6)) ** 1.3) ** (-1 / 1.3)
    near, far = np.minimum(long, wide), np.maximum(long, wide)
    return np.minimum(1.1 / far, rng.uniform(0.35, 0.45) / np.maximum(near, 1e-9))  # the cross


def light_share(rng: np.random.Generator, texture_name: str) -> np.ndarray:
    """The texture as the share of the light tone, 0..1 (TEXTURE_SIDE, TEXTURE_SIDE)."""
    direction, period = rng.uniform(0, np.pi), rng.uniform(13, 22)
    y, x = np.mgrid[:TEXTURE_SIDE, :TEXTURE_SIDE].astype(np.float32)
    along = (x * np.cos(direction) + y * np.sin(direction)) * 2 * np.pi / period + rng.uniform(0, 2 * np.pi)
    across = (y * np.cos(direction) - x * np.sin(direction)) * 2 * np.pi / period + rng.uniform(0, 2 * np.pi)
    if texture_name in ("mottles", "speckles"):
        noise = rng.normal(size=(TEXTURE_SIDE, TEXTURE_SIDE)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), period / (4 if texture_name == "mottles" else 10))
        return np.clip(0.5 + 1.5 * smooth / smooth.std(), 0, 1)
    if texture_name in ("cracks", "streaks"):
        noise = rng.normal(size=(TEXTURE_SIDE, TEXTURE_SIDE)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), period / 3, sigmaY=1.5 if texture_name == "streaks" else period / 3)
        smooth /= smooth.std()
        return np.clip(0.5 + 1.5 * smooth if texture_name == "streaks" else 3 * np.abs(smooth), 0, 1)
    phase = rng.uniform(0, 2 * np.pi)  # of the rings alone; drawn for all waves, as worlds depend on it
    middle = TEXTURE_SIDE / 2
    from_middle = x - middle, y - middle
    odd_row = np.floor(across / np.pi) % 2  # each second row is shifted by half of a brick or of a scale
    shifted = along + np.pi * odd_row
    turned = (along + np.sqrt(3) * across) / 2, (along - np.sqrt(3) * across) / 2
    waves: dict[str, Callable[[], np.ndarray]] = {
        "stripes": lambda: 3 * np.sin(along),
        "dots": lambda: 4 * (np.sin(along) + np.sin(across) - 0.9),
        "checks": lambda: 6 * np.sin(along) * np.sin(across),
        "rings": lambda: 3 * np.sin(np.hypot(*from_middle) * 2 * np.pi / period + phase),
        "lattice": lambda: 4 * (0.75 - np.maximum(np.cos(along), np.cos(across))),
        "zigzags": lambda: 3 * np.sin(along + 1.6 * np.arcsin(np.sin(across / 2))),
        "bricks": lambda: 12 * np.minimum(np.abs(np.sin(across)), np.abs(np.sin(shifted / 2))) - 2.5,
        "scales": lambda: 5 * (np.hypot(np.sin(shifted / 2), np.mod(across / np.pi, 1)) - 0.8),
        "weaves": lambda: (
            3 * np.where(np.sin(along / 2) * np.sin(across / 2) > 0, np.sin(2 * along), np.sin(2 * across))
        ),
        "dashes": lambda: 4 * np.minimum(np.sin(2 * along), np.sin(across / 2 + np.pi * np.floor(along / np.pi)) + 0.3),
        "honeycombs": lambda: 2.5 * (np.sin(along) + (np.sin(turned[0]) + np.sin(turned[1]))),
        "rays": lambda: 3 * np.sin(np.round(0.7 * period) * np.arctan2(*from_middle[::-1])),
    }
    return np.clip(0.5 + 0.5 * waves[texture_name](), 0, 1)
