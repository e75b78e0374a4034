"""Photos of a dozen kinds: sizes from headers, pixels by both decoders, and the JPEGs of `tracklearn.voc.adopt`."""

from pathlib import Path

import numpy as np
from PIL import Image

from fuzz.mutations import near
from tracklearn.errors import UserError
from tracklearn.photos import read_header, read_photo, read_pixels, read_square
from tracklearn.voc.foreign.photo import read_foreign_photo

SIDES = 40, 56  # height, width
JPEG = [near(b"\xff\xc0", b"\xff\xc2", b"\xff\xc4", b"\xff\xda", b"\xff\xdb", b"\xff\xdd", b"Exif", b"\xff\xe1")]
EDITS = {
    ".jpg": JPEG,
    ".png": [near(b"IHDR", b"IDAT", b"PLTE", b"tRNS", b"eXIf", b"tEXt")],
    ".tif": [near(b"II*\0", b"\x01\x01", b"\x00\x01")],
    ".webp": [near(b"VP8", b"RIFF", b"EXIF")],
    ".bmp": [near(b"BM", b"\x28\0\0\0")],
}


def write_samples(folder: Path) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (5, 7, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    photo, turned = Image.fromarray(pixels), Image.Exif()
    turned[0x0112] = 6
    photo.save(folder / "plain.jpg", quality=90)
    photo.save(folder / "progressive.jpg", progressive=True)
    photo.save(folder / "turned.jpg", exif=turned)
    photo.convert("L").save(folder / "grey.jpg")
    photo.convert("CMYK").save(folder / "print.jpg")
    photo.save(folder / "restarts.jpg", restart_marker_blocks=1)
    photo.save(folder / "colour.png", exif=turned)
    photo.convert("P").save(folder / "palette.png", transparency=3)
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    photo.save(folder / "photo.bmp")
    photo.save(folder / "photo.webp")
    photo.save(folder / "photo.tif", compression="tiff_lzw")


def mutated(folder: Path) -> list[str]:
    """JPEGs, of which the data sets consist, three times as often as others."""
    names = sorted(path.name for path in folder.iterdir())
    return names + 2 * [name for name in names if name.endswith(".jpg")]


def read(folder: Path, name: str) -> None:
    refusals = []

    def attempt(reader, *arguments, **options):
        try:
            return reader(Path(name), *arguments, **options)
        except UserError as error:
            refusals.append(error)
            return None

    header, photo, pixels = attempt(read_header), attempt(read_photo), attempt(read_pixels)
    square, small, foreign = attempt(read_square, 32), attempt(read_photo, at_least=16), attempt(read_foreign_photo)
    if photo is not None:
        assert header is not None and photo.mode == "RGB" and photo.size == header.upright
    if pixels is not None:
        assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.size
    if square is not None:
        assert square.shape == (32, 32, 3) and square.dtype == np.uint8
    if small is not None:
        assert small.mode == "RGB"
    if foreign is not None:
        assert foreign.pixels.shape[2] == 3 and foreign.jpeg.startswith(b"\xff\xd8")
    if refusals:
        raise refusals[0]
