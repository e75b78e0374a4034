"""The annotated objects of the training photos as an ImageFolder, where no ImageNet is at hand."""

from collections.abc import Sequence
from pathlib import Path

import simplejpeg

from tracklearn.voc.annotations import Voc
from tracklearn.voc.protocols import CLASSES

QUALITY = 95
MIN_SIDE = 20  # px; ASSUME: smaller crops show texture of the JPEG more than an object


def crop_objects(
    *, voc: str | Path, year: int, image_set: str, folder: str | Path, classes: Sequence[str] = CLASSES
) -> dict[str, float]:
    """Write the box of every object that is not difficult to `{folder}/{class}/{image}-{number}.jpg`.

    Raises:
        UserError: an image or annotation cannot be read.
    """
    source = Voc(voc, year, classes=classes)
    written = 0
    for image_id in source.images(image_set):
        found, image = source.objects(image_id), source.image(image_id)
        for number, (box, label, difficult) in enumerate(zip(*found, strict=True)):
            x1, y1, x2, y2 = (round(float(corner)) for corner in box)
            if difficult or min(x2 - x1, y2 - y1) + 1 < MIN_SIDE:
                continue
            crop = image[y1 : y2 + 1, x1 : x2 + 1].copy()
            path = Path(folder) / classes[label] / f"{image_id}-{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(simplejpeg.encode_jpeg(crop, quality=QUALITY, colorspace="RGB"))
            written += 1
    return {"objects": written, "categories": len(list(Path(folder).iterdir()))}
