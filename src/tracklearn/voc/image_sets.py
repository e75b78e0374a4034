"""Image sets of a VOCdevkit: the lists of image ids under `ImageSets/Main`, and the names of the classes.

This module imports no large package, so that the workflow can read image sets while it builds its graph.
"""

from pathlib import Path

from tracklearn.errors import UserError

# Everingham et al., The PASCAL Visual Object Classes Challenge, in the order of the benchmark's own tables.
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


def voc_folder(root: str | Path, year: int) -> Path:
    """Folder of one year inside the VOCdevkit `root`."""
    return Path(root) / f"VOC{year}"


def read_image_set(root: str | Path, *, year: int, image_set: str) -> list[str]:
    """Image ids of `ImageSets/Main/{image_set}.txt`, in the file's order.

    Raises:
        UserError: the file is missing or empty, or an id is listed twice or is not a file name.
    """
    path = voc_folder(root, year) / "ImageSets" / "Main" / f"{image_set}.txt"
    if not path.is_file():
        raise UserError(f"{path}: no such image set; voc.root must be a VOCdevkit folder that holds VOC{year}")
    # The lists of single classes carry a second column, 1 or -1.
    ids = [line.split()[0] for line in path.read_text().splitlines() if line.strip()]
    if not ids:
        raise UserError(f"{path}: the image set is empty; expected one image id a line")
    seen: set[str] = set()
    for image_id in ids:
        if image_id in seen:
            raise UserError(f"{path}: image {image_id} is listed twice; remove one of the lines")
        if image_id != Path(image_id).name:
            raise UserError(f"{path}: {image_id!r} is not an image id; expected a file name without folder and suffix")
        seen.add(image_id)
    return ids
