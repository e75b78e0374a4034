"""Furniture: pieces made of boxes, columns and balls, with the looks of their surfaces.

A piece stands on y = 0 in the middle of its floor space; its back looks to -z.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from scipy.ndimage import map_coordinates

from world_generator.solids import UNTURNED, Ball, Solid, box, column, turn_about
from world_generator.things import CATEGORIES, HUES, TEXTURE_SIDE, light_share, rgb

TEXTURES = ("plain", "planks", "tiles", *dict.fromkeys(texture for _, texture in CATEGORIES.values()))
COPIES = 3  # of each texture in a set of rooms
Pair = tuple[float, float]


class Look(NamedTuple):
    """How a surface looks.

    `texture` uint8 (S, S) is the share of the light tone in 255ths, repeated in mirrored copies of `side` metres, and
    `tones` (256, 3) are the RGB colours of the shares. `glass` sends nothing back to a Kinect.
    """

    texture: np.ndarray
    tones: np.ndarray
    side: float
    glass: bool = False

    def colours(self, places: np.ndarray) -> np.ndarray:
        """Colours (N, 3) at places (N, 2) in metres."""
        pixels = places[:, ::-1].T * (len(self.texture) / self.side)  # rows and columns
        shares = map_coordinates(self.texture, pixels, order=1, mode="mirror")
        return self.tones[shares]


class Part(NamedTuple):
    """A solid and the looks of its faces; the last look is that of all further faces."""

    solid: Solid
    looks: tuple[Look, ...]

    def look(self, face: int) -> Look:
        """The look of a face."""
        return self.looks[min(face, len(self.looks) - 1)]


class Piece(NamedTuple):
    """Parts of a piece, and its measures in metres.

    `width` and `depth` are those of its floor space, small things may stand at the height `top`, and what hangs on a
    wall hangs at `height`.
    """

    parts: list[Part]
    width: float
    depth: float
    top: float | None = None
    height: float = 0.0

    def moved(self, angle: float, shift: Sequence[float]) -> list[Part]:
        """The parts after a turn about the vertical axis and a shift."""
        rotation = turn_about(1, angle)
        return [part._replace(solid=part.solid.moved(rotation, np.asarray(shift))) for part in self.parts]


@dataclass(frozen=True)
class Looks:
    """Draws looks; the textures (TEXTURE_SIDE, TEXTURE_SIDE) are shared by a set of rooms."""

    textures: dict[str, list[np.ndarray]]

    def draw(
        self,
        rng: np.random.Generator,
        names: Sequence[str] = TEXTURES,
        *,
        value: Pair = (40, 230),
        saturation: Pair = (0, 170),
        contrast: Pair = (0.1, 0.7),
        side: Pair = (1.2, 3.5),
    ) -> Look:
        """A look of one of the textures: a colour, and the same colour darker by `contrast`."""
        copies = self.textures[names[rng.integers(len(names))]]
        light = rgb(rng.integers(HUES), rng.uniform(*saturation), rng.uniform(*value))
        dark = light * (1 - rng.uniform(*contrast))
        tones = np.linspace(dark, light, 256)
        return Look(copies[rng.integers(len(copies))], tones, rng.uniform(*side))


def draw_looks(rng: np.random.Generator) -> Looks:
    """Draw the textures of a set of rooms."""
    return Looks({name: [_texture(rng, name) for _ in range(COPIES)] for name in TEXTURES})


def _texture(rng: np.random.Generator, name: str) -> np.ndarray:
    """Share of the light tone, uint8 (TEXTURE_SIDE, TEXTURE_SIDE)."""
    grain = cv2.GaussianBlur(rng.normal(size=(TEXTURE_SIDE, TEXTURE_SIDE)), (0, 0), 1.5)
    share = 0.8 + 0.4 * grain
    if name in ("planks", "tiles"):
        length, width = (128, 16) if name == "planks" else (32, 32)
        y, x = np.mgrid[:TEXTURE_SIDE, :TEXTURE_SIDE]
        row = y // width
        along = x + rng.integers(length, size=row.max() + 1)[row] * (name == "planks")
        tones = rng.uniform(0.55, 1, (row.max() + 1, along.max() // length + 1))
        gap = (y % width == 0) | (along % length == 0)
        share = np.where(gap, 0, tones[row, along // length] + 0.4 * grain)
    elif name != "plain":
        share = light_share(rng, name)
    return (255 * np.clip(share, 0, 1)).astype(np.uint8)


def upright(width: float, depth: float, low: float, high: float, *looks: Look) -> Part:
    """A box from height `low` to `high` about the vertical axis."""
    return Part(box((-width / 2, low, -depth / 2), (width / 2, high, depth / 2)), looks)


def shifted(part: Part, x: float, z: float, y: float = 0, rotation: np.ndarray = UNTURNED) -> Part:
    """The part after a rotation and a shift."""
    return part._replace(solid=part.solid.moved(rotation, np.array([x, y, z])))


def legs(width: float, depth: float, high: float, look: Look, thick: float = 0.05) -> list[Part]:
    """Four legs at the corners of a floor space."""
    x, z = (width - thick) / 2, (depth - thick) / 2
    return [shifted(upright(thick, thick, 0, high, look), i * x, j * z) for i in (-1, 1) for j in (-1, 1)]


def cupboard(rng: np.random.Generator, looks: Looks) -> Piece:
    """A cupboard with two doors, low enough to carry things or as tall as a wardrobe."""
    width, depth, high = rng.uniform((0.6, 0.35, 0.7), (1.6, 0.65, 2.2))
    body, door = looks.draw(rng), looks.draw(rng)
    doors = [upright(0.47 * width, 0.04, 0.08, high - 0.04, door) for _ in range(2)]
    front = [shifted(each, side * width / 4, depth / 2) for side, each in zip((-1, 1), doors, strict=True)]
    return Piece([upright(width, depth, 0, high, body), *front], width, depth, high if high < 1.3 else None)


def shelf(rng: np.random.Generator, looks: Looks) -> Piece:
    """Open shelves with books."""
    width, depth, high = rng.uniform((0.6, 0.25, 1.0), (1.4, 0.4, 2.2))
    wood, gap = looks.draw(rng, contrast=(0, 0.3)), 0.36
    parts = [shifted(upright(0.03, depth, 0, high, wood), side * width / 2, 0) for side in (-1, 1)]
    parts.append(shifted(upright(width, 0.02, 0, high, wood), 0, -depth / 2))
    for low in np.arange(0.06, high, gap):
        parts.append(upright(width, depth, low, low + 0.03, wood))
        for place in np.arange(0.15 - width / 2, width / 2 - 0.1, 0.22):
            if rng.random() < 0.6:
                wide, above = rng.uniform((0.08, 0.15), (0.2, 0.3))
                parts.append(shifted(upright(wide, 0.8 * depth, low, low + above, looks.draw(rng)), place, 0))
    return Piece(parts, width, depth)


def bed(rng: np.random.Generator, looks: Looks) -> Piece:
    """A bed with a cover and a pillow that leans against the head."""
    width, depth = rng.uniform((0.9, 1.8), (1.7, 2.1))
    wood, cover, pillow = (looks.draw(rng) for _ in range(3))
    lean = turn_about(0, rng.uniform(-1.2, -0.4))
    parts = [
        upright(width, depth, 0, 0.3, wood),
        upright(0.96 * width, 0.96 * depth, 0.3, rng.uniform(0.4, 0.6), cover),
    ]
    parts.append(shifted(upright(width, 0.08, 0, rng.uniform(0.7, 1.2), wood), 0, -depth / 2))
    parts.append(shifted(upright(0.6, 0.14, -0.2, 0.2, pillow), 0, 0.28 - depth / 2, 0.65, lean))
    return Piece(parts, width, depth)


def sofa(rng: np.random.Generator, looks: Looks) -> Piece:
    """A sofa with a slanted back, two arms and cushions."""
    width, depth, seat = rng.uniform((0.9, 0.8, 0.38), (2.1, 1.0, 0.48))
    cloth = looks.draw(rng)
    back = shifted(
        upright(width, 0.22, 0, 0.55, cloth), 0, 0.2 - depth / 2, seat - 0.1, turn_about(0, rng.uniform(-0.45, 0))
    )
    arms = [shifted(upright(0.16, depth, 0, seat + 0.2, cloth), side * (width - 0.16) / 2, 0) for side in (-1, 1)]
    parts = [upright(width, depth, 0.05, seat, cloth), back, *arms]
    for place in rng.uniform(0.25 - width / 2, width / 2 - 0.25, rng.integers(3)):
        turned = turn_about(1, rng.uniform(-0.5, 0.5)) @ turn_about(0, rng.uniform(-0.8, -0.2))
        parts.append(shifted(upright(0.4, 0.12, -0.2, 0.2, looks.draw(rng)), place, 0.05, seat + 0.2, turned))
    return Piece(parts, width, depth)


def table(rng: np.random.Generator, looks: Looks) -> Piece:
    """A table or desk with four legs, or a round one on a column."""
    width, depth, high = rng.uniform((0.8, 0.6, 0.4), (1.8, 0.95, 0.8))
    top, stand = looks.draw(rng), looks.draw(rng)
    if rng.random() < 0.3:
        width = depth = rng.uniform(0.7, 1.2)
        round_top = Part(column(width / 2, high - 0.04, high, sides=24), (top,))
        foot = Part(column(0.25 * width, 0, 0.04), (stand,))
        return Piece([round_top, Part(column(0.05, 0, high), (stand,)), foot], width, depth, high)
    return Piece([upright(width, depth, high - 0.05, high, top), *legs(width, depth, high, stand)], width, depth, high)


def chair(rng: np.random.Generator, looks: Looks) -> Piece:
    """A chair with a leaning back."""
    side, seat = rng.uniform((0.38, 0.4), (0.5, 0.5))
    wood, cloth = looks.draw(rng), looks.draw(rng)
    lean = turn_about(0, rng.uniform(-0.3, 0))
    back = shifted(upright(side, 0.05, 0, rng.uniform(0.35, 0.6), cloth), 0, -side / 2, seat, lean)
    return Piece([upright(side, side, seat - 0.05, seat, cloth), back, *legs(side, side, seat, wood)], side, side)


def crate(rng: np.random.Generator, looks: Looks) -> Piece:
    """A box or a parcel."""
    width, depth, high = rng.uniform(0.2, 0.6, 3)
    return Piece([upright(width, depth, 0, high, looks.draw(rng))], width, depth)


def bin_(rng: np.random.Generator, looks: Looks) -> Piece:
    """A round bin, stool or thick vase."""
    radius, high = rng.uniform((0.12, 0.3), (0.28, 0.9))
    return Piece([Part(column(radius, 0, high), (looks.draw(rng),))], 2 * radius, 2 * radius)


def ball(rng: np.random.Generator, looks: Looks) -> Piece:
    """A ball."""
    radius = rng.uniform(0.12, 0.4)
    return Piece([Part(Ball(np.array([0, radius, 0]), radius), (looks.draw(rng),))], 2 * radius, 2 * radius)


def small_thing(rng: np.random.Generator, looks: Looks) -> Piece:
    """Something that stands on a table: a box, a mug or a ball."""
    width, depth, high = rng.uniform((0.08, 0.06, 0.04), (0.35, 0.3, 0.35))
    look = looks.draw(rng)
    radius = 0.4 * depth
    shapes = [
        upright(width, depth, 0, high, look),
        Part(column(radius, 0, high, sides=12), (look,)),
        Part(Ball(np.array([0, radius, 0]), radius), (look,)),
    ]
    return Piece([shapes[rng.choice(3, p=[0.6, 0.25, 0.15])]], width, depth)


def door(rng: np.random.Generator, looks: Looks) -> Piece:
    """A closed door with its frame."""
    leaf, frame = looks.draw(rng, contrast=(0, 0.4)), looks.draw(rng, ("plain",))
    return Piece([upright(0.9, 0.03, 0, 2.05, frame), upright(0.8, 0.06, 0, 2.0, leaf)], 0.9, 0.06)


def window(rng: np.random.Generator, looks: Looks) -> Piece:
    """A bright pane in a frame."""
    width, high = rng.uniform((0.6, 0.7), (1.6, 1.3))
    pane = looks.draw(rng, ("plain", "mottles"), value=(235, 255), saturation=(0, 40))._replace(glass=True)
    frame = looks.draw(rng, ("plain",))
    return Piece(
        [upright(width, 0.08, 0, high, frame), upright(0.9 * width, 0.09, 0.06, high - 0.06, pane)],
        width,
        0.09,
        height=rng.uniform(0.8, 1.1),
    )


def picture(rng: np.random.Generator, looks: Looks) -> Piece:
    """A picture, a board or a dark screen."""
    width, high = rng.uniform((0.3, 0.3), (1.1, 0.9))
    shown = looks.draw(rng, contrast=(0.3, 0.9))
    if rng.random() < 0.25:
        shown = looks.draw(rng, ("plain",), value=(15, 40))._replace(glass=True)
    frame = looks.draw(rng, ("plain",))
    return Piece(
        [upright(width, 0.04, 0, high, frame), upright(width - 0.08, 0.05, 0.04, high - 0.04, shown)],
        width,
        0.05,
        height=rng.uniform(1.0, 1.5),
    )


Draw = Callable[[np.random.Generator, Looks], Piece]
AT_WALLS: tuple[Draw, ...] = (cupboard, cupboard, shelf, bed, sofa, table)
AMID: tuple[Draw, ...] = (table, chair, chair, crate, bin_, ball)
ON_WALLS: tuple[Draw, ...] = (door, window, picture, picture)
