"""Photos of the evaluation images, made small, with a detection and an object drawn on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import cv2
import numpy as np
import simplejpeg

from tracklearn.detection.detect import read_detections
from tracklearn.detection.errors_by_kind import KINDS, RIGHT, Judged, judge
from tracklearn.errors import UserError
from tracklearn.pages.rendering import Picture
from tracklearn.voc.annotations import Objects, Voc

SIDE = 180  # pixels, the longer side of a photo on a page
QUALITY = 75
# RGB, apart for the colour-blind too (Okabe and Ito, 2008)
COLOURS = {"right": (86, 180, 233), "wrong": (213, 94, 0), "late": (204, 121, 167), "object": (240, 228, 66)}

LAST = np.array([0, 0, 1, 1])  # from a box's last pixels to its end


class Evaluated(NamedTuple):
    """The evaluation images, I in all.

    Attributes:
        photos: the devkit that holds them.
        ids, objects: the id of each image and what it shows.
    """

    photos: Voc
    ids: list[str]
    objects: list[Objects]

    @classmethod
    def read(cls, voc: str | Path, *, year: int, image_set: str, classes: Sequence[str]) -> Self:
        """Read an image set of a devkit."""
        photos = Voc(voc, year, classes=classes)
        ids = photos.images(image_set)
        return cls(photos, ids, [photos.objects(image_id) for image_id in ids])

    def judged(self, detections: str | Path) -> dict[str, Judged]:
        """The detections of a row by class, each with its kind.

        Args:
            detections: file of `detect`.

        Raises:
            UserError: detections of other images.
        """
        ids, by_class = read_detections(detections)
        if ids != self.ids:
            raise UserError(f"{detections}: its images are not the {len(self.ids)} evaluation images; detect again")
        return {name: judge(by_class[name], self.objects, label) for label, name in enumerate(self.photos.classes)}

    def picture_of_box(self, judged: Judged, box: int) -> Picture:
        """A detection, and the object of its class that it overlaps most."""
        return self._picture(judged, int(judged.detections.image[box]), box, int(judged.object[box]))

    def picture_of_object(self, judged: Judged, image: int, index: int, *, threshold: float) -> Picture:
        """An object, and the box of the highest score of those that overlap it more than other objects of the class.

        Args:
            threshold: the score below which a right box comes too late.
        """
        near = np.flatnonzero((judged.detections.image == image) & (judged.object == index))
        return self._picture(judged, image, int(near[0]) if len(near) else None, index, threshold)

    def _picture(self, judged: Judged, image: int, box: int | None, index: int, threshold: float = -np.inf) -> Picture:
        boxes, caption = [], "no box overlaps it"
        if index >= 0:
            boxes.append((self.objects[image].boxes[index], COLOURS["object"]))
        if box is not None:
            kind, score = KINDS[judged.kind[box]], float(judged.detections.scores[box])
            colour, caption = "right" if kind == RIGHT else "wrong", f"{kind}, score {score:.3f}"
            if kind == RIGHT and score < threshold:
                colour, caption = "late", f"found only at score {score:.3f}, below {threshold:.3f}"
            elif kind == "other class":
                caption = f"{kind} ({self.photos.classes[judged.other[box]]}), score {score:.3f}"
            caption += f", overlap {judged.overlap[box]:.2f}"
            boxes.append((judged.detections.boxes[box], COLOURS[colour]))
        pixels = draw_boxes(self.photos.image(self.ids[image]), boxes)
        return Picture(simplejpeg.encode_jpeg(pixels, quality=QUALITY), f"{self.ids[image]}: {caption}", "jpeg")


def draw_boxes(
    image: np.ndarray, boxes: list[tuple[np.ndarray, tuple[int, int, int]]], *, side: int = SIDE
) -> np.ndarray:
    """An image (H, W, 3) made small, so that its longer side has `side` pixels, with boxes on it, the last one on top.

    Args:
        boxes: (4,) x1 y1 x2 y2 in pixels of the image, each with a colour.
    """
    scale = side / max(image.shape[:2])
    height, width = (max(1, round(scale * length)) for length in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    for box, colour in boxes:
        x1, y1, x2, y2 = np.rint(scale * (box + LAST) - LAST).astype(int).tolist()
        for drawn, thickness in (((0, 0, 0), 4), (colour, 2)):  # a dark edge shows on bright photos
            cv2.rectangle(small, (x1, y1), (x2, y2), drawn, thickness)
    return np.ascontiguousarray(small)
