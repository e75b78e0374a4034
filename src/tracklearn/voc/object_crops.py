"""The annotated objects of the training photos as an ImageFolder, for use where ImageNet is not available."""

from collections.abc import Sequence
from pathlib import Path

import simplejpeg

from tracklearn.voc.annotations import Voc
from tracklearn.voc.image_sets import CLASSES

QUALITY = 95
MIN_SIDE = 20  # pixels; ASSUME: a smaller crop shows artefacts of JPEG rather than an object


def crop_objects(
    *, voc: str | Path, year: int, image_set: str, folder: str | Path, classes: Sequence[str] = CLASSES
) -> dict[str, float]:
    """Write a crop of every object that is not difficult to `{folder}/{class}/{image}-{number}.jpg`.

    Raises:
        UserError: an image or annotation is missing or unreadable.
    """
    photos = Voc(voc, year, classes=classes)
    written = 0
    for image_id in photos.images(image_set):
        objects, image = photos.objects(image_id), photos.image(image_id)
        for number, (box, label, difficult) in enumerate(zip(*objects, strict=True)):
            x1, y1, x2, y2 = (round(float(corner)) for corner in box)
            if difficult or min(x2 - x1, y2 - y1) + 1 < MIN_SIDE:
                continue
            crop = image[y1 : y2 + 1, x1 : x2 + 1].copy()
            path = Path(folder) / classes[label] / f"{image_id}-{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(simplejpeg.encode_jpeg(crop, quality=QUALITY, colorspace="RGB"))
            written += 1
    return {"objects": written, "categories": len(list(Path(folder).iterdir()))}
