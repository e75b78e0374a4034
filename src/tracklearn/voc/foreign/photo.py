"""A photo as a clean VOCdevkit holds it: an upright JPEG that strict decoders read."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import Image

from tracklearn.photos import Header, opened_image, orientation, plain_jpeg, read_photo

QUALITY = 95  # of photos that have to be encoded

Size = tuple[int, int]  # width, height


class Photo(NamedTuple):
    """A decoded photo.

    Attributes:
        pixels: upright RGB uint8 (H, W, 3).
        jpeg: the bytes of an ordinary JPEG as they are, otherwise `pixels` encoded.
        repair: reason and detail of an encoding, or None.
        header: size before EXIF turned the photo, and how it did.
    """

    pixels: np.ndarray
    jpeg: bytes
    repair: tuple[str, str] | None
    header: Header

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
        header, what = Header(*image.size, orientation(image)), f"{image.format} {image.mode}"
    data = path.read_bytes()
    repair = "converted to JPEG", what
    if header.orientation > 1:
        repair = "turned upright", f"EXIF orientation {header.orientation}"
    else:
        try:
            plain = plain_jpeg(data)
        except ValueError as error:
            repair = "encoded anew, because a strict decoder refuses it", str(error)
        else:
            if plain is not None:
                return Photo(plain, data, None, header)
    pixels = np.ascontiguousarray(read_photo(path))
    return Photo(pixels, encoded(pixels), repair, header)


def encoded(pixels: np.ndarray) -> bytes:
    """The JPEG of an RGB image (H, W, 3)."""
    return simplejpeg.encode_jpeg(pixels, quality=QUALITY)


def shrunk(pixels: np.ndarray, longest_side: int) -> np.ndarray:
    """An RGB image (H, W, 3) with at most so many pixels on its longer side, by antialiased bilinear interpolation."""
    height, width = pixels.shape[:2]
    factor = min(1.0, longest_side / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.ascontiguousarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
