"""Scenes: things of one outline that stand in a row or in a ring, on clutter; an ImageFolder of these categories."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from world_generator.backgrounds import cut_background, draw_canvases
from world_generator.grants import ALL, Grants
from world_generator.pictures import finish, write_jpeg
from world_generator.things import CATEGORIES, NAMES, Image, Pose, draw_thing, paint, picture_hue

SIDE = 160  # px of a picture
SCALES = (0.55, 0.7)  # of the things
PLACES = {
    "row": [(-52, 0), (0, 0), (52, 0)],
    "ring": [(0, -42), (40, 30), (-40, 30)],
}
"""Centres of the things about the middle of the arrangement, in px. Both arrangements have as many things."""
OUTLINES = tuple(dict.fromkeys(outline for outline, _ in CATEGORIES.values()))
SCENES = tuple(f"{outline}_{arrangement}" for outline, arrangement in product(OUTLINES, PLACES))
"""Categories. Their things have the same hues and stand on the same grounds, so that no hue tells them apart."""


def draw_scene(rng: np.random.Generator, canvases: list[Image], scene: str, *, grants: Grants = ALL) -> Image:
    """Draw a picture (SIDE, SIDE, 3): the arrangement, at a random angle of up to 15 degrees, near the middle."""
    outline, arrangement = scene.split("_")
    image = cut_background(rng, canvases[rng.integers(len(canvases))], height=SIDE, width=SIDE)
    categories = [NAMES.index(name) for name, (own, _) in CATEGORIES.items() if own == outline]
    middle = SIDE / 2 + rng.uniform(-8, 8, 2)
    turn = rng.uniform(-np.pi / 12, np.pi / 12)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    for place in PLACES[arrangement]:
        x, y = middle + turned @ place + rng.uniform(-4, 4, 2)
        angle, ripple, phase = rng.uniform(0, 2 * np.pi, 3)
        pose = Pose(x, y, angle, rng.uniform(*SCALES), rng.uniform(-0.2, 0.2), ripple, picture_hue(phase, grants))
        paint(image, draw_thing(rng, int(rng.choice(categories))), pose)
    return finish(rng, image)


def write_scenes(root: Path, *, per_scene: int, seed: int, grants: Grants = ALL) -> None:
    """Write scenes/<category>/*.jpg below root."""
    rng = np.random.default_rng([seed, 5])
    canvases = draw_canvases(rng, grants)
    for scene in SCENES:
        folder = root / "scenes" / scene
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(per_scene):
            write_jpeg(folder / f"{number:04d}.jpg", draw_scene(rng, canvases, scene, grants=grants))
