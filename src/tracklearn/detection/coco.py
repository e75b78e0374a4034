"""A row's detections and the ground truth in the format of COCO (https://cocodataset.org/#format-data).

Image ids count the images of the set from 1, and category ids count the classes from 1. A box is x, y, width, height.
The pixels at both ends of VOC's boxes belong to the box, so its width is x2 - x1 + 1.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracklearn.detection.detect import read_detections
from tracklearn.files import atomic
from tracklearn.voc.annotations import Voc
from tracklearn.voc.boxes import areas
from tracklearn.voc.image_sets import CLASSES


def write_ground_truth(
    *, voc: str | Path, year: int, image_set: str, out: str | Path, classes: Sequence[str] = CLASSES
) -> dict[str, float]:
    """Write the annotations of an image set.

    A difficult object has `ignore` 1, and `iscrowd` 1, the only flag by which pycocotools leaves an object out. COCO
    then leaves out every box that has half of its own area inside the object, where VOC leaves out the boxes whose
    intersection over union with the object is at least 0.5.

    Returns:
        Numbers of images and objects.

    Raises:
        UserError: as `Voc`.
    """
    photos = Voc(voc, year, classes=classes)
    ids = photos.images(image_set)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, image_id in enumerate(ids, 1):
        width, height = photos.size(image_id)
        images.append({"id": number, "file_name": f"{image_id}.jpg", "width": width, "height": height})
        objects = photos.objects(image_id)
        for box, area, label, difficult in zip(
            _boxes(objects.boxes), areas(objects.boxes), objects.labels, objects.difficult, strict=True
        ):
            annotations.append(
                {
                    "id": len(annotations) + 1,  # pycocotools takes 0 for no object
                    "image_id": number,
                    "category_id": int(label) + 1,
                    "bbox": box,
                    "area": float(area),
                    "iscrowd": int(difficult),
                    "ignore": int(difficult),
                }
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, 1)]
    info = {"description": f"{image_set} of VOC{year}"}
    _write(out, {"info": info, "images": images, "annotations": annotations, "categories": categories})
    return {"images": len(images), "objects": len(annotations)}


def write_results(*, detections: str | Path, out: str | Path) -> dict[str, float]:
    """Write the detections of a row as COCO's list of results.

    Args:
        detections: file of `detect`.

    Returns:
        The number of detections.
    """
    _, by_class = read_detections(detections)
    results = [
        {"image_id": image + 1, "category_id": number, "bbox": box, "score": score}
        for number, own in enumerate(by_class.values(), 1)
        for image, box, score in zip(own.image.tolist(), _boxes(own.boxes), own.scores.tolist(), strict=True)
    ]
    _write(out, results)
    return {"detections": len(results)}


def _boxes(boxes: np.ndarray) -> list[list[float]]:
    """Corners (N, 4) as x, y, width, height."""
    found: list[list[float]] = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2] + 1]).astype(float).tolist()
    return found


def _write(out: str | Path, content: Any) -> None:
    with atomic(out) as path, open(path, "w", encoding="utf-8") as file:
        json.dump(content, file)
