"""Photos as people have them: found in folders, decoded to upright RGB whatever their mode."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tracklearn.errors import UserError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
GREY_16 = 257  # 65,535 / 255: from 16 bits to 8


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
            raise UserError(f"{subfolder}: no image ({', '.join(sorted(SUFFIXES))}); remove the folder or fill it")
        files += images
        labels += [label] * len(images)
    return [subfolder.name for subfolder in folders], files, np.array(labels, np.int64)


def is_photo(path: Path) -> bool:
    """Whether a file's name is that of a photo."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


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
        return _to_rgb(ImageOps.exif_transpose(image))


@contextmanager
def opened_image(path: str | Path) -> Iterator[Image.Image]:
    """An image of any mode, to be decoded within the block.

    Raises:
        UserError: the file cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            yield image
    except (MemoryError, UserError):
        raise
    except Exception as error:  # the decoders raise OSError, ValueError, SyntaxError, struct.error and others
        raise UserError(f"{path}: cannot be decoded ({error}); replace or remove it") from error


def read_square(path: str | Path, size: int) -> np.ndarray:
    """A photo as RGB uint8 (size, size, 3), by bilinear interpolation with antialiasing; proportions are not kept.

    Raises:
        UserError: as `read_photo`.
    """
    return np.asarray(read_photo(path, at_least=size).resize((size, size), Image.Resampling.BILINEAR))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # a grey PNG of 16 bits
        values = np.asarray(image, np.int64)
        if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
            raise ValueError(f"its greys are {values.min()} to {values.max()}; expected 8 or 16 bits")
        return Image.fromarray(np.rint(values / GREY_16).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("its greys are floating-point numbers; expected 8 or 16 bits")
    if image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        return opaque.convert("RGB")
    return image.convert("RGB")
