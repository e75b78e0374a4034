"""Figure 7: queries with their nearest windows by each method, side by side."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import simplejpeg

from tracklearn.errors import UserError
from tracklearn.npz import read_arrays
from tracklearn.pages.rendering import Picture, render
from tracklearn.retrieval.neighbours import NOBODY
from tracklearn.settings.base import Block
from tracklearn.settings.retrieval import Figure7
from tracklearn.voc.annotations import Voc
from tracklearn.voc.image_sets import CLASSES

SIDE = 104  # pixels, the longer side of a window on the page
QUALITY = 85
NAMED = 8  # ids that an error message lists


class Neighbour(NamedTuple):
    """A window on the page."""

    picture: Picture
    correct: bool


class Answer(NamedTuple):
    """What one method found for a query; no window if the query has no neighbours."""

    method: str
    windows: list[Neighbour]
    correct: int  # of all k windows
    k: int


class Query(NamedTuple):
    """A query and the windows that each method found."""

    picture: Picture
    name: str  # its class
    image: str
    object: int
    answers: list[Answer]


def figure7(
    *,
    voc: str | Path,
    year: int,
    nearest: Sequence[tuple[str, str | Path]],
    page: str | Path,
    figure7: Block = None,
    image: str | None = None,
    place: int | str | None = None,
    classes: Sequence[str] = CLASSES,
) -> dict[str, float]:
    """Write the page of some queries of each class, drawn by a seed and not chosen, or of one query.

    Args:
        nearest: of each method, the text that the page shows and the file of `outcome.write_nearest`.
        figure7: block `settings.retrieval.Figure7`.
        image, place: of the only query; a place counts the image's objects from 0 in the order of its annotation.

    Returns:
        Numbers of queries and windows on the page.

    Raises:
        UserError: there is no method, the methods answered other queries, the query does not exist, or a photo is
            unreadable.
    """
    if not nearest:
        raise UserError("figure7: no method to show; write rows of section6.retrieval whose networks can be trained")
    settings = Figure7.read(figure7)
    photos = Voc(voc, year, classes=classes)
    found = [(method, read_arrays(path)) for method, path in nearest]
    queries = _same_queries([(path, answer) for (_, path), (_, answer) in zip(nearest, found, strict=True)])
    if image is None or place is None:
        drawn = draw(queries["label"], settings.per_class, seed=settings.seed)
    else:
        drawn = [_index(queries, image, int(place))]
    shown = [_query(photos, index, found, settings.shown) for index in drawn]
    labels = set(queries["label"].tolist())
    render(
        "figure7.html.jinja",
        page,
        queries=shown,
        settings=settings,
        asked=image and (image, place),
        without=[name for label, name in enumerate(classes) if label not in labels],
    )
    windows = sum(len(answer.windows) for query in shown for answer in query.answers)
    return {"queries": len(shown), "windows": windows}


def draw(labels: np.ndarray, per_class: int, *, seed: int) -> list[int]:
    """Indices of at most `per_class` queries of each class, class after class, given the classes (Q,) of the queries.

    The draw of a class depends on the seed, the class and its number of queries alone.
    """
    drawn = []
    for label in np.unique(labels).tolist():
        own = np.flatnonzero(labels == label)
        rng = np.random.default_rng([seed, label])
        drawn += np.sort(rng.choice(own, min(per_class, len(own)), replace=False)).tolist()
    return drawn


def _same_queries(found: Sequence[tuple[str | Path, Mapping[str, np.ndarray]]]) -> Mapping[str, np.ndarray]:
    """The queries, which must be those of every file."""
    (first, queries), *others = found
    for path, other in others:
        if any(not np.array_equal(queries[key], other[key]) for key in ("image", "object", "label")):
            raise UserError(
                f"{path}: its queries are not those of {first}; delete the older file, and the workflow computes it "
                "again"
            )
    return queries


def _index(queries: Mapping[str, np.ndarray], image: str, place: int) -> int:
    """The index of a query.

    Raises:
        UserError: there is no such query; the message names those that there are.
    """
    images = queries["image"]
    own = np.flatnonzero(images == image)
    if not len(own):
        known = np.unique(images)
        listed = ", ".join(known[:NAMED]) + (", ..." if len(known) > NAMED else "")
        raise UserError(
            f"figure7: image {image!r} has no query; expected one of the {len(known)} evaluation images with objects: "
            f"{listed}"
        )
    if not len(index := own[queries["object"][own] == place]):
        raise UserError(
            f"figure7: image {image} has no object {place}; its {len(own)} objects are numbered from 0 to "
            f"{len(own) - 1} in the order of its annotation"
        )
    return int(index[0])


def _query(photos: Voc, index: int, found: Sequence[tuple[str, Mapping[str, np.ndarray]]], count: int) -> Query:
    first = found[0][1]
    image, label = str(first["image"][index]), int(first["label"][index])
    name = photos.classes[label]
    answers = []
    for method, own in found:
        correct = (own["nearest_label"][index] == label) & (own["nearest_image"][index] != NOBODY)
        windows = list(_windows(photos, own, index, count))
        answers.append(Answer(method, windows, int(correct.sum()), len(correct)))
    return Query(_crop(photos, image, first["box"][index], name), name, image, int(first["object"][index]), answers)


def _windows(photos: Voc, own: Mapping[str, np.ndarray], index: int, count: int) -> Iterator[Neighbour]:
    """The first windows that a method found for a query."""
    images, boxes, labels = (own[key][index][:count] for key in ("nearest_image", "nearest_box", "nearest_label"))
    for image, box, label in zip(images, boxes, labels, strict=True):
        if image != NOBODY:
            name = photos.classes[label]
            picture = _crop(photos, str(own["database"][image]), box, name)
            yield Neighbour(picture, bool(label == own["label"][index]))


def _crop(photos: Voc, image_id: str, box: np.ndarray, caption: str) -> Picture:
    """A window cut from its photo."""
    x1, y1, x2, y2 = np.rint(box).astype(int).tolist()
    pixels: Any = photos.image(image_id)[y1 : y2 + 1, x1 : x2 + 1]
    scale = SIDE / max(pixels.shape[:2])
    size = [max(1, round(side * scale)) for side in (pixels.shape[1], pixels.shape[0])]
    pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return Picture(simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=QUALITY), caption, "jpeg")
