"""A photo as a clean VOCdevkit holds it: an upright JPEG that strict decoders read."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import Image
from PIL.ExifTags import Base

from tracklearn.photos import opened_image, read_photo

QUALITY = 95  # of photos that have to be encoded
JPEG_START = b"\xff\xd8"

Size = tuple[int, int]  # width, height

# Where a point (x, y), counted from 1, of a photo of w x h pixels lies once the photo is upright, by EXIF orientation.
TURNS: dict[int, Callable[[float, float, int, int], tuple[float, float]]] = {
    1: lambda x, y, w, h: (x, y),
    2: lambda x, y, w, h: (w + 1 - x, y),
    3: lambda x, y, w, h: (w + 1 - x, h + 1 - y),
    4: lambda x, y, w, h: (x, h + 1 - y),
    5: lambda x, y, w, h: (y, x),
    6: lambda x, y, w, h: (h + 1 - y, x),
    7: lambda x, y, w, h: (h + 1 - y, w + 1 - x),
    8: lambda x, y, w, h: (y, w + 1 - x),
}


class Photo(NamedTuple):
    """A decoded photo.

    Attributes:
        pixels: upright RGB uint8 (H, W, 3).
        jpeg: the bytes of an ordinary JPEG as they are, otherwise `pixels` encoded.
        repair: reason and detail of an encoding, or None.
        stored: size before EXIF turned the photo.
        orientation: EXIF's, 1 to 8.
    """

    pixels: np.ndarray
    jpeg: bytes
    repair: tuple[str, str] | None
    stored: Size
    orientation: int

    @property
    def size(self) -> Size:
        """Width and height of the upright photo."""
        return self.pixels.shape[1], self.pixels.shape[0]


def read_foreign_photo(path: Path) -> Photo:
    """Decode a photo; an upright JPEG that a strict decoder reads keeps its bytes.

    Raises:
        UserError: no decoder reads it.
    """
    with opened_image(path) as image:
        data = path.read_bytes()
        stored, what = image.size, f"{image.format} {image.mode}"
        try:
            orientation = int(image.getexif().get(Base.Orientation, 1))
        except Exception:  # damaged EXIF says nothing; Pillow raises SyntaxError, struct.error and others
            orientation = 1
    if orientation not in TURNS:
        orientation = 1
    repair = "converted to JPEG", what
    if orientation > 1:
        repair = "turned upright", f"EXIF orientation {orientation}"
    elif data.startswith(JPEG_START):
        try:
            return Photo(simplejpeg.decode_jpeg(data), data, None, stored, orientation)
        except ValueError as error:
            repair = "encoded anew, because a strict decoder refuses it", str(error)
    pixels = np.ascontiguousarray(read_photo(path))
    return Photo(pixels, encoded(pixels), repair, stored, orientation)


def encoded(pixels: np.ndarray) -> bytes:
    """The JPEG of an RGB image (H, W, 3)."""
    return simplejpeg.encode_jpeg(pixels, quality=QUALITY)


def shrunk(pixels: np.ndarray, longest_side: int) -> np.ndarray:
    """An RGB image (H, W, 3) with at most so many pixels on its longer side, by antialiased bilinear interpolation."""
    height, width = pixels.shape[:2]
    factor = min(1.0, longest_side / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.ascontiguousarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
