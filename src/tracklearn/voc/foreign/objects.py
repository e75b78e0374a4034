"""Objects of an annotation whose size, boxes and class names may be spoilt."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from tracklearn.errors import UserError
from tracklearn.photos import turned_box
from tracklearn.voc.foreign.photo import Photo, Size

Box = tuple[float, float, float, float]  # x1 y1 x2 y2, 1-based, inclusive, as VOC states them
Repaired = Callable[[str, str], object]  # called with a reason and a detail

TURNED, SCALED, OTHER_SIZE = "its boxes are turned with the photo", "its boxes are scaled", "its size is another"


class Object(NamedTuple):
    """An object inside its upright photo."""

    name: str
    box: Box
    pose: str
    truncated: bool
    difficult: bool


def class_spellings(annotations: Iterable[ElementTree.Element]) -> dict[str, str]:
    """The name to use for each class name as it is spelled in the annotations.

    Blanks around a name are dropped, blanks and slashes inside become `_`, and names that differ in case alone become
    the most frequent one.
    """
    spelled = Counter(element.findtext("name") or "" for root in annotations for element in root.iter("object"))
    clean = {name: re.sub(r"[\s/\\]+", "_", name.strip()) for name in spelled}
    counts: Counter[str] = Counter()
    for name, count in spelled.items():
        counts[clean[name]] += count
    chosen: dict[str, str] = {}
    for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        chosen.setdefault(name.casefold(), name)
    return {name: chosen[clean[name].casefold()] for name in spelled}


def read_objects(
    root: ElementTree.Element, photo: Photo, *, spellings: Mapping[str, str], repaired: Repaired
) -> list[Object]:
    """Read the objects of an annotation, with boxes inside the upright photo.

    Args:
        spellings: see `class_spellings`.
        repaired: called for everything that is mended, and for each object that is dropped.

    Raises:
        UserError: there are objects but no box can be used, or the boxes were drawn in another picture.
    """
    found, problems = _stated_objects(root, spellings, repaired)
    placed = _placed([item.box for item in found], _stated_size(root), photo, repaired)
    width, height = photo.size
    objects = []
    for item, box in zip(found, placed, strict=True):
        clipped = max(box[0], 1.0), max(box[1], 1.0), min(box[2], float(width)), min(box[3], float(height))
        told = f"{item.name} {_told(box)} in {width} x {height}"
        if box[0] >= box[2] or box[1] >= box[3]:
            problems.append(("a box without area is dropped", told))
        elif clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
            problems.append(("a box outside the photo is dropped", told))
        else:
            if clipped != box:
                repaired("a box is clipped to the photo", told)
            objects.append(item._replace(box=clipped))
    if problems and not objects:
        raise UserError("; ".join(f"{reason} ({detail})" for reason, detail in problems))
    for problem in problems:
        repaired(*problem)
    return objects


def scaled(box: Box, size: Size, to: Size) -> Box:
    """A box of an image of one size in the same image of another size."""
    across, down = to[0] / size[0], to[1] / size[1]
    # VOC's corners are pixels, counted from 1: the edges of a box are x1 - 1 and x2.
    return (box[0] - 1) * across + 1, (box[1] - 1) * down + 1, box[2] * across, box[3] * down


def _stated_objects(
    root: ElementTree.Element, spellings: Mapping[str, str], repaired: Repaired
) -> tuple[list[Object], list[tuple[str, str]]]:
    """The objects that have a class and four corners, where they were drawn, and why the others are dropped."""
    found: list[Object] = []
    problems = []
    for element in root.iter("object"):
        spelled = element.findtext("name") or ""
        name = spellings[spelled]
        box = _corners(element)
        if not name:
            problems.append(("an object without a class is dropped", _told(box)))
        elif not all(map(math.isfinite, box)):
            problems.append(("an object without four corners is dropped", name))
        else:
            if name != spelled:
                repaired("a class name is mended", f"{spelled!r} is {name}")
            if box != _ordered(box):
                repaired("the corners of a box are swapped", f"{name} {_told(box)}")
            flags = {flag: (element.findtext(flag) or "").strip() for flag in ("pose", "truncated", "difficult")}
            truncated, difficult = (flags[flag].lower() in ("1", "true") for flag in ("truncated", "difficult"))
            found.append(Object(name, _ordered(box), flags["pose"] or "Unspecified", truncated, difficult))
    return found, problems


def _corners(element: ElementTree.Element) -> Box:
    try:
        x1, y1, x2, y2 = (
            float(element.findtext(f"bndbox/{side}") or "nan") for side in ("xmin", "ymin", "xmax", "ymax")
        )
    except ValueError:
        return math.nan, math.nan, math.nan, math.nan
    return x1, y1, x2, y2


def _ordered(box: Box) -> Box:
    return min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])


def _told(box: Box) -> str:
    return " ".join(f"{corner:.10g}" for corner in box)


def _stated_size(root: ElementTree.Element) -> Size | None:
    try:
        width, height = (int(float(root.findtext(f"size/{side}") or "")) for side in ("width", "height"))
    except (ValueError, OverflowError):
        return None
    return (width, height) if min(width, height) > 0 else None


def _placed(boxes: Sequence[Box], stated: Size | None, photo: Photo, repaired: Repaired) -> list[Box]:
    """Boxes in the upright photo; ASSUME: where the size leaves it open, they were drawn in the upright photo."""

    def fit(size: Size) -> bool:
        return all(box[2] <= size[0] + 1 and box[3] <= size[1] + 1 for box in boxes)

    stored = photo.header[:2]
    known = stated in (photo.size, stored)
    told = f"stated {'none' if stated is None else f'{stated[0]} x {stated[1]}'}, {photo.size[0]} x {photo.size[1]}"
    in_stored = stated == stored or (not known and fit(stored) and not fit(photo.size))
    if in_stored and stored != photo.size:
        repaired(TURNED, told)
        return [turned_box(box, photo.header, first=1) for box in boxes]
    if known:
        return list(boxes)
    if stated is None:
        repaired("its size is missing or 0 x 0", told)
        return list(boxes)
    factor = photo.size[0] / stated[0]
    # A photo that was resized has the stated proportions to within a pixel.
    if fit(stated) and abs(stated[1] * factor - photo.size[1]) <= max(1, factor):
        repaired(SCALED, told)
        return [scaled(box, stated, photo.size) for box in boxes]
    if not fit(photo.size):
        raise UserError(f"drawn in another picture: {told}")
    repaired(OTHER_SIZE, told)
    return list(boxes)
