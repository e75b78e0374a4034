"""Selective search with R-CNN's strategies (Uijlings et al. 2013, fast mode), by OpenCV's implementation."""

import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from cv2.ximgproc import segmentation

from tracklearn.machine.threads import one_opencv_thread
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.voc import Proposals
from tracklearn.voc.annotations import Voc
from tracklearn.voc.image_sets import CLASSES
from tracklearn.voc.proposals_file import write_proposals

# Each channel fills the range of eight bits, as in the authors' code.
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
    proposals: Block = None,
    threads: int = 1,
    report: Report = silent,
) -> dict[str, float]:
    """Write the proposals of one part of an image set (see `proposals_file`).

    Each image has distinct boxes in the order of `ordered`.

    Args:
        part: number of the part, from 0. A part is `images_per_part` consecutive images of the set.
        images_per_part: None takes the whole set.
        proposals: block `voc.proposals`.

    Returns:
        Numbers of images and boxes, and the mean number of boxes of an image.

    Raises:
        UserError: an invalid setting, or an image that is missing or unreadable.
    """
    settings = Proposals.read(proposals)
    photos = Voc(voc, year, classes=classes)
    image_ids = photos.images(image_set)
    if images_per_part is not None:
        image_ids = image_ids[part * images_per_part : (part + 1) * images_per_part]

    def boxes_of(image_id: str) -> np.ndarray:
        # Seeded by the image, so that the order does not depend on the part.
        rng = np.random.default_rng([settings.seed, zlib.crc32(image_id.encode())])
        return ordered(selective_search(photos.image(image_id), settings), rng)[: settings.max_boxes]

    boxes_by_image = []
    with one_opencv_thread(), ThreadPoolExecutor(threads) as pool:
        for done, boxes in enumerate(pool.map(boxes_of, image_ids), 1):
            boxes_by_image.append(boxes)
            report(done, {"boxes": len(boxes)})
    write_proposals(out, image_ids, boxes_by_image)
    total = sum(map(len, boxes_by_image))
    return {"images": len(image_ids), "boxes": total, "boxes_per_image": total / max(1, len(image_ids))}


def selective_search(image: np.ndarray, proposals: Block = None) -> np.ndarray:
    """Distinct boxes (N, 4) float32 that hierarchical grouping finds in an RGB image (H, W, 3), in no useful order.

    There is one grouping for each colour space, scale of the first segmentation and similarity, at the image's own
    size. The smallest segment has as many pixels as the scale (selective_search_boxes.m of R-CNN).
    """
    settings = Proposals.read(proposals)
    search = segmentation.createSelectiveSearchSegmentation()
    for colour in settings.colours:
        search.addImage(cv2.cvtColor(image, COLOURS[colour]))
    for scale in settings.k:
        search.addGraphSegmentation(segmentation.createGraphSegmentation(settings.sigma, scale, int(scale)))
    # Both similarities share their parts: OpenCV then computes the histograms of an image once.
    strategies = {
        part: getattr(segmentation, f"createSelectiveSearchSegmentationStrategy{part}")() for part in SIMILARITIES[0]
    }
    for parts in SIMILARITIES:
        shared = [strategies[part] for part in parts]
        search.addStrategy(segmentation.createSelectiveSearchSegmentationStrategyMultiple(*shared))
    rectangles = np.unique(np.asarray(search.process()).reshape(-1, 4), axis=0)  # x y w h
    rectangles = rectangles[(rectangles[:, 2:] >= settings.min_side).all(axis=1)]
    corners = np.hstack([rectangles[:, :2], rectangles[:, :2] + rectangles[:, 2:] - 1])
    return corners.astype(np.float32)


def ordered(boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Boxes (N, 4) in a random order in which large ones tend to come first: sorted by rank x uniform number.

    Selective search ranks regions by their level in the hierarchy. OpenCV does not return the level, and it shuffles by
    the C library's `rand()`, whose state threads share. ASSUME: the rank by area takes the place of the level, since a
    merged region is larger than its parts.
    """
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    largest_first = boxes[np.argsort(-sides.prod(axis=1), kind="stable")]
    return largest_first[np.argsort(np.arange(1, len(boxes) + 1) * rng.random(len(boxes)), kind="stable")]
