"""The page on a folder of photos that was adopted (see `adopt`)."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg

from tracklearn.pages.rendering import Picture, render
from tracklearn.photos import read_photo
from tracklearn.voc.foreign.objects import Object
from tracklearn.voc.foreign.photo import Size
from tracklearn.voc.foreign.remarks import DROPPED, KEPT, REPAIRED, Remark

PICTURES, PICTURE_SIDE, QUALITY = 12, 320, 80  # pictures of either kind, at most; pixels of the longer side
COLOURS = ((230, 60, 30), (40, 110, 240), (30, 170, 70), (240, 170, 0), (170, 60, 210), (0, 170, 190))  # RGB


class Labelled(NamedTuple):
    """An adopted photo."""

    image_id: str
    size: Size
    objects: list[Object]
    check: str  # why a person should look at its boxes, or ""


def adopted_page(
    *,
    page: str | Path,
    devkit: str,
    photos: str | Path,
    labelled: Sequence[Labelled],
    image_sets: Mapping[str, Sequence[str]],
    remarks: Sequence[Remark],
    seed: int,
) -> None:
    """Write the page.

    Args:
        page: the HTML file.
        devkit: name of the VOCdevkit, for the configuration.
        photos: folder of the adopted JPEGs.
        labelled: the adopted photos.
        image_sets: image ids by set.
        remarks: what happened to each file.
        seed: seed of the choice of the photos that are shown.
    """
    classes = sorted({found.name for photo in labelled for found in photo.objects})
    order = [labelled[index] for index in np.random.default_rng(seed).permutation(len(labelled))]
    counts = [_counts(labelled, image_sets[name]) for name in ("trainval", "test")]
    render(
        "adopted.html.jinja",
        page,
        devkit=devkit,
        classes=json.dumps(classes, ensure_ascii=False),
        image_sets=image_sets,
        by_class={name: [side[name] for side in counts] for name in classes},
        outcomes=outcomes(remarks),
        reasons={
            outcome: Counter(remark.reason for remark in remarks if remark.outcome == outcome)
            for outcome in (REPAIRED, DROPPED)
        },
        remarks=[remark for remark in remarks if remark.outcome != KEPT],
        check=[_drawn(photos, photo, classes) for photo in order if photo.check][:PICTURES],
        others=[_drawn(photos, photo, classes) for photo in order if not photo.check][:PICTURES],
    )


def outcomes(remarks: Iterable[Remark]) -> Counter[str]:
    """Number of files by what happened to them."""
    return Counter({remark.file: remark.outcome for remark in remarks}.values())


def _counts(labelled: Iterable[Labelled], ids: Iterable[str]) -> Mapping[str, Counter[str]]:
    """Numbers of photos, objects and difficult objects of each class in an image set."""
    members = set(ids)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for photo in labelled:
        if photo.image_id in members:
            for name in {found.name for found in photo.objects}:
                counts[name]["photos"] += 1
            for found in photo.objects:
                counts[found.name]["objects"] += 1
                counts[found.name]["difficult"] += found.difficult
    return counts


def _drawn(photos: str | Path, photo: Labelled, classes: Sequence[str]) -> Picture:
    image = read_photo(Path(photos) / f"{photo.image_id}.jpg", at_least=PICTURE_SIDE)
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    pixels = np.array(image)
    factor = pixels.shape[1] / photo.size[0]
    for found in photo.objects:
        x1, y1, x2, y2 = (round((corner - 1) * factor) for corner in found.box)
        cv2.rectangle(pixels, (x1, y1), (x2, y2), COLOURS[classes.index(found.name) % len(COLOURS)], 2)
    names = ", ".join(f"{count} {name}" for name, count in Counter(found.name for found in photo.objects).items())
    caption = "; ".join(filter(None, (f"{photo.image_id}: {names or 'no object'}", photo.check)))
    return Picture(simplejpeg.encode_jpeg(pixels, quality=QUALITY), caption, "jpeg")
