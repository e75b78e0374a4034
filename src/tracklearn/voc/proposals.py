"""Selective search with R-CNN's strategies (Uijlings et al. 2013, fast mode) on OpenCV's implementation."""

import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from cv2.ximgproc import segmentation

from tracklearn.errors import UserError
from tracklearn.machine.threads import one_opencv_thread
from tracklearn.report import Report, silent
from tracklearn.voc.annotations import Voc
from tracklearn.voc.image_sets import CLASSES
from tracklearn.voc.proposals_file import write_proposals

# Eight bits a channel over the full range, as the authors' code scales each colour space.
COLOURS = {"hsv": cv2.COLOR_RGB2HSV_FULL, "lab": cv2.COLOR_RGB2Lab}
SIMILARITIES = (("Color", "Texture", "Size", "Fill"), ("Texture", "Size", "Fill"))  # PAPER R-CNN's fast mode


def propose(
    *,
    voc: str | Path,
    year: int,
    image_set: str,
    out: str | Path,
    classes: Sequence[str] = CLASSES,
    part: int = 0,
    images_per_part: int | None = None,
    colours: Sequence[str] = ("hsv", "lab"),
    k: Sequence[int] = (50, 100),
    min_size: int | str = "k",
    sigma: float = 0.8,
    min_side: int = 20,
    max_boxes: int | None = None,
    seed: int = 0,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Write the proposals of one part of an image set (see `proposals_file`).

    Part p holds the set's images p * images_per_part and following; without `images_per_part` it is the whole set.

    Each image has distinct boxes with sides of at least `min_side` pixels, in `ordered`'s order, at most `max_boxes`.

    Raises:
        UserError: an unknown colour space, or an image that is missing or unreadable.
    """
    photos = Voc(voc, year, classes=classes)
    image_ids = photos.images(image_set)
    if images_per_part is not None:
        image_ids = image_ids[part * images_per_part : (part + 1) * images_per_part]

    def one(image_id: str) -> np.ndarray:
        boxes = selective_search(
            photos.image(image_id), colours=colours, k=k, min_size=min_size, sigma=sigma, min_side=min_side
        )
        # Keyed by the image, so that the order does not depend on the shard.
        return ordered(boxes, np.random.default_rng([seed, zlib.crc32(image_id.encode())]))[:max_boxes]

    found = []
    with one_opencv_thread(), ThreadPoolExecutor(threads) as pool:
        for done, boxes in enumerate(pool.map(one, image_ids), 1):
            found.append(boxes)
            report(done, {"boxes": len(boxes)})
    write_proposals(out, image_ids, found)
    total = sum(map(len, found))
    return {"images": len(found), "boxes": total, "boxes_per_image": total / max(1, len(found))}


def selective_search(
    image: np.ndarray,
    *,
    colours: Sequence[str] = ("hsv", "lab"),
    k: Sequence[int] = (50, 100),
    min_size: int | str = "k",
    sigma: float = 0.8,
    min_side: int = 20,
) -> np.ndarray:
    """Distinct boxes (N, 4) float32 that hierarchical grouping finds in an RGB image; the order says nothing.

    One grouping for each colour space, segmentation scale `k` and similarity, at the image's own size
    (selective_search_boxes.m of R-CNN). `min_size` in pixels, or "k" to follow `k`.
    """
    unknown = set(colours) - set(COLOURS)
    if unknown:
        raise UserError(f"proposals.colours holds {sorted(unknown)[0]!r}; expected some of {', '.join(COLOURS)}")
    search = segmentation.createSelectiveSearchSegmentation()
    for colour in colours:
        search.addImage(cv2.cvtColor(image, COLOURS[colour]))
    for scale in k:
        smallest = scale if min_size == "k" else int(min_size)
        search.addGraphSegmentation(segmentation.createGraphSegmentation(sigma, float(scale), smallest))
    for parts in SIMILARITIES:
        strategies = [getattr(segmentation, f"createSelectiveSearchSegmentationStrategy{part}")() for part in parts]
        search.addStrategy(segmentation.createSelectiveSearchSegmentationStrategyMultiple(*strategies))
    rectangles = np.unique(np.asarray(search.process()).reshape(-1, 4), axis=0)  # x y w h
    rectangles = rectangles[(rectangles[:, 2:] >= min_side).all(axis=1)]
    corners = np.hstack([rectangles[:, :2], rectangles[:, :2] + rectangles[:, 2:] - 1])
    return corners.astype(np.float32)


def ordered(boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shuffle boxes so that larger ones tend to come first: sorted by rank x uniform, as selective search does.

    OpenCV shuffles by the C library's `rand()`, which no seed of its own reaches and threads share, and does not
    tell a region's level in its hierarchy. # ASSUME: the rank by area stands for the level (merging only grows).
    """
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    largest_first = boxes[np.argsort(-sides.prod(axis=1), kind="stable")]
    return largest_first[np.argsort(np.arange(1, len(boxes) + 1) * rng.random(len(boxes)), kind="stable")]
