"""Photos as people have them: found in folders, decoded to upright RGB whatever their mode."""

import errno
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import ExifTags, Image, ImageOps, PngImagePlugin

from tracklearn.errors import UserError, is_system_error
from tracklearn.files import PHOTO_SUFFIXES, is_photo, read_errors_named

GREY_16 = 257  # 65,535 / 255: from 16 bits to 8
SMALL = 1_000_000  # bytes
FAINT = 2**13  # greys of 12 bits that were stored in 16, as cameras of science do, stay below it
JPEG = b"\xff\xd8"
TURNED = (b"Exif\0\0", b"tiff:Orientation")  # a JPEG with an orientation holds one of them

# Programs that draw or generate images keep their settings in the text of a PNG. Pillow refuses such a file from 1 MB.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 2**28

log = logging.getLogger(__name__)


class Header(NamedTuple):
    """What a photo says of itself before its pixels."""

    width: int  # as stored, before the photo is turned
    height: int
    orientation: int  # by EXIF, 1 to 8; 1 is upright

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of the upright photo."""
        return (self.height, self.width) if self.orientation > 4 else (self.width, self.height)


def list_image_folder(folder: str | Path, *, remedy: str) -> tuple[list[str], list[Path], np.ndarray]:
    """List an ImageFolder as torchvision does; hidden files, such as macOS's `._*.jpg`, are no photos.

    Args:
        remedy: how to get such a folder, for the errors.

    Returns:
        The classes (the subfolders' names, sorted), the N image files, and the index (N,) of each file's class.

    Raises:
        UserError: there is no such folder, it has fewer than two subfolders, or a subfolder holds no image.
    """
    if not Path(folder).is_dir():
        raise UserError(f"{folder}: no ImageFolder there; {remedy}")
    folders = sorted(path for path in Path(folder).iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(folders) < 2:
        raise UserError(f"{folder}: {len(folders)} subfolders; expected one for each class, at least 2; {remedy}")
    files: list[Path] = []
    labels: list[int] = []
    for label, subfolder in enumerate(folders):
        images = sorted(path for path in subfolder.rglob("*") if is_photo(path))
        if not images:
            raise UserError(f"{subfolder}: no image ({', '.join(PHOTO_SUFFIXES)}); remove the folder or fill it")
        files += images
        labels += [label] * len(images)
    return [subfolder.name for subfolder in folders], files, np.array(labels, np.int64)


def read_photo(path: str | Path, *, at_least: int | None = None) -> Image.Image:
    """Decode a photo to RGB, upright by its EXIF orientation.

    Greys of 16 bits are scaled to 8, and what is transparent becomes white.

    Args:
        at_least: a JPEG may be decoded at the smallest scale at which both sides have at least this many pixels.

    Raises:
        UserError: the file cannot be decoded, or its values have no known range.
    """
    with opened_image(path) as image:
        if at_least:
            image.draft("RGB", (at_least, at_least))
        return upright_rgb(image)


def read_pixels(path: str | Path) -> np.ndarray:
    """A photo as `read_photo` decodes it, as RGB uint8 (H, W, 3); libjpeg-turbo decodes ordinary JPEGs.

    The log tells once of damaged JPEGs that can be decoded all the same.

    Raises:
        FileNotFoundError: no such file.
        UserError: as `read_photo`.
    """
    with read_errors_named(path):
        data = Path(path).read_bytes()
    try:
        pixels, damage = plain_jpeg(data), None
    except ValueError as error:
        pixels, damage = None, error
    if pixels is None:
        pixels = np.array(read_photo(path))
    if damage:
        _tell(path, str(damage))
    return pixels


@cache  # trainings decode a photo many times
def _tell(path: str | Path, damage: str) -> None:
    log.warning("%s: libjpeg-turbo says: %s; the photo is decoded all the same", path, damage)


@cache  # a folder whose photos are all faint needs one line
def _tell_faint(folder: str, bits: int) -> None:
    greys = f"greys up to {2**bits - 1:,} of 65,535; scale them to 16 bits if they have fewer"
    log.warning("%s: a photo has %s", folder or ".", greys)


def plain_jpeg(data: bytes) -> np.ndarray | None:
    """A JPEG as RGB uint8 (H, W, 3); None for other formats, and for a photo that EXIF turns.

    Raises:
        ValueError: the JPEG is damaged.
    """
    if not data.startswith(JPEG):
        return None
    if any(mark in data for mark in TURNED):
        with suppress(Exception), Image.open(BytesIO(data)) as image:  # what Pillow cannot read is not turned
            if orientation(image) > 1:
                return None
    pixels: np.ndarray = simplejpeg.decode_jpeg(data, colorspace="RGB")
    return pixels


def turned_box(box: Sequence[float], photo: Header, *, first: int = 0) -> tuple[float, float, float, float]:
    """A box x1 y1 x2 y2, inclusive, of a photo as stored, in the upright photo.

    Orientations 5 to 8 of EXIF swap x and y; after that, 2, 3, 6 and 7 mirror x, and 3, 4, 7 and 8 mirror y.

    Args:
        first: the first pixel's coordinate, 0 or 1.
    """
    right, bottom = (side + 2 * first - 1 for side in photo.upright)  # a coordinate and its mirror image have this sum
    x1, y1, x2, y2 = box
    if photo.orientation > 4:
        x1, y1, x2, y2 = y1, x1, y2, x2
    if photo.orientation in (2, 3, 6, 7):
        x1, x2 = right - x2, right - x1
    if photo.orientation in (3, 4, 7, 8):
        y1, y2 = bottom - y2, bottom - y1
    return x1, y1, x2, y2


def read_header(path: str | Path) -> Header:
    """Size and orientation of a photo, whose pixels are not decoded.

    Raises:
        UserError: the file is no photo.
    """
    with opened_image(path) as image:
        return Header(*image.size, orientation(image))


@contextmanager
def opened_image(path: str | Path) -> Iterator[Image.Image]:
    """An image of any mode, to be decoded within the block.

    Raises:
        UserError: the file cannot be decoded.
        OSError: the disk reports an error.
    """
    try:
        with Image.open(path) as image:
            yield image
    except UserError:
        raise
    # The decoders raise OSError, ValueError, SyntaxError, struct.error and others. A damaged file may claim a part of
    # gigabytes, for which Pillow asks at once.
    except Exception as error:
        if is_system_error(error, errno.EIO):  # of the disk, which says nothing of the photo
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path)) from error
        if isinstance(error, MemoryError) and not _claims_too_much(path):
            raise
        reason = str(error) or "it claims more bytes than the memory has"
        raise UserError(f"{path}: cannot be decoded ({reason}); replace or remove it") from error


def _claims_too_much(path: str | Path) -> bool:
    """Whether every photo that a file of this size can hold fits into memory."""
    return Path(path).stat().st_size < SMALL


def read_square(path: str | Path, size: int) -> np.ndarray:
    """A photo as RGB uint8 (size, size, 3), by bilinear interpolation with antialiasing; proportions are not kept.

    Raises:
        UserError: as `read_photo`.
    """
    return np.asarray(read_photo(path, at_least=size).resize((size, size), Image.Resampling.BILINEAR))


def orientation(image: Image.Image) -> int:
    """How EXIF turns a photo, 1 (upright) to 8; damaged EXIF says nothing, nor does EXIF behind a PNG's pixels."""
    try:
        # The method of PNGs would decode the pixels to look behind them.
        found: int = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow raises SyntaxError, struct.error and others
        return 1
    return found if found in range(2, 9) else 1


def upright_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode in RGB, upright by its EXIF orientation; see `read_photo`.

    Raises:
        ValueError: its values have no known range.
    """
    folder = os.path.dirname(getattr(image, "filename", ""))  # noqa: PTH120 (a file object has no name)
    return _to_rgb(ImageOps.exif_transpose(image) if orientation(image) > 1 else image, folder)


def _to_rgb(image: Image.Image, folder: str) -> Image.Image:
    image.load()
    if image.mode.startswith("I"):  # a grey PNG of 16 bits
        values = np.asarray(image, np.int64)
        if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
            raise ValueError(f"its greys are {values.min()} to {values.max()}; expected 8 or 16 bits")
        if values.max() < FAINT:
            _tell_faint(folder, int(values.max()).bit_length())
        return Image.fromarray(np.rint(values / GREY_16).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("its greys are floating-point numbers; expected 8 or 16 bits")
    if image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        return opaque.convert("RGB")
    return image.convert("RGB")
