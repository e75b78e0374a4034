"""The annotated objects of the training photos as an ImageFolder, for use where ImageNet is not available."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import simplejpeg

from tracklearn.errors import UserError
from tracklearn.voc.annotations import Voc
from tracklearn.voc.image_sets import CLASSES

QUALITY = 95
MIN_SIDE = 20  # pixels; ASSUME: a smaller crop shows artefacts of JPEG rather than an object


def crop_objects(
    *, voc: str | Path, year: int, image_set: str, folder: str | Path, classes: Sequence[str] = CLASSES
) -> dict[str, float]:
    """Write a crop of every object that is not difficult to `{folder}/{class}/{image}-{number}.jpg`.

    Raises:
        UserError: an image or annotation is missing or unreadable, or fewer than two classes have an object whose
            smallest side is at least `MIN_SIDE`.
    """
    photos = Voc(voc, year, classes=classes)
    written: Counter[str] = Counter()
    too_small: list[int] = []
    for image_id in photos.images(image_set):
        objects, image = photos.objects(image_id), photos.image(image_id)
        for number, (box, label, difficult) in enumerate(zip(*objects, strict=True)):
            x1, y1, x2, y2 = (round(float(corner)) for corner in box)
            if difficult:
                continue
            if (side := min(x2 - x1, y2 - y1) + 1) < MIN_SIDE:
                too_small.append(side)
                continue
            crop = image[y1 : y2 + 1, x1 : x2 + 1].copy()
            path = Path(folder) / classes[label] / f"{image_id}-{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(simplejpeg.encode_jpeg(crop, quality=QUALITY, colorspace="RGB"))
            written[classes[label]] += 1
    if len(written) < 2:
        large = f"of the set {image_set} with a smallest side of at least {MIN_SIDE} pixels"
        found = f"all objects {large} are of the class {', '.join(written)}" if written else f"no object {large}"
        smaller = f" ({len(too_small)} are smaller, the largest has {max(too_small)})" if too_small else ""
        raise UserError(
            f"{photos.folder}: {found}{smaller}; a network that learns to classify crops needs two classes: label more "
            "or larger objects, set imagenet.folder, or leave out the rows whose models have train: imagenet"
        )
    return {"objects": written.total(), "categories": len(written)}
