from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tracklearn.errors import UserError
from tracklearn.photos import list_image_folder, read_photo

RAMP = np.linspace(0, 255, 40 * 30).reshape(30, 40)  # grey, light at the bottom
GREY = np.rint(RAMP).astype(np.uint8)


def photo(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def greys(image):
    assert image.mode == "RGB"
    pixels = np.asarray(image).astype(int)
    assert np.ptp(pixels, axis=2).max() <= 3
    return pixels.mean(axis=2)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("rgb.png", lambda: Image.fromarray(GREY).convert("RGB")),
        ("grey.png", lambda: Image.fromarray(GREY)),
        ("sixteen.png", lambda: Image.fromarray(np.rint(RAMP * 257).astype(np.uint16))),
        ("palette.png", lambda: Image.fromarray(GREY).quantize(256)),
        ("rgba.png", lambda: Image.fromarray(GREY).convert("RGBA")),
        ("grey_alpha.png", lambda: Image.fromarray(GREY).convert("LA")),
        ("cmyk.jpg", lambda: Image.fromarray(GREY).convert("RGB").convert("CMYK")),
        ("upper.JPG", lambda: Image.fromarray(GREY)),
    ],
)
def test_every_mode_shows_the_same_photo(tmp_path, name, make):
    read = greys(read_photo(photo(tmp_path / name, make())))
    assert read.shape == (30, 40)
    assert np.abs(read - RAMP).max() <= 6  # of JPEG


def test_what_is_transparent_becomes_white_whatever_colour_lies_below(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2, :, 3] = 255
    read = greys(read_photo(photo(tmp_path / "a.png", Image.fromarray(pixels))))
    assert read.tolist() == [[0.0] * 4] * 2 + [[255.0] * 4] * 2


def test_a_photo_is_turned_as_its_exif_says(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera's top is at the right
    path = photo(tmp_path / "a.jpg", Image.fromarray(GREY), exif=turned)
    read = greys(read_photo(path))
    assert read.shape == (40, 30)
    assert np.abs(read - np.rot90(RAMP, -1)).max() <= 6


def test_a_jpeg_is_decoded_at_the_smallest_scale_that_is_large_enough(tmp_path):
    path = photo(tmp_path / "a.jpg", Image.new("RGB", (800, 640)))
    assert read_photo(path).size == (800, 640)
    assert read_photo(path, at_least=100).size == (200, 160)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("page.jpg", lambda: b"<html>not found</html>", "cannot identify image file"),
        ("empty.png", lambda: b"", "cannot identify image file"),
        ("cut.jpg", lambda: jpeg()[:-400], "image file is truncated"),
    ],
)
def test_what_cannot_be_decoded_is_one_line_that_names_the_file(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content())
    with pytest.raises(UserError, match=rf"{name}: cannot be decoded \({reason}.*\); replace or remove it"):
        read_photo(tmp_path / name)


def jpeg():
    buffer = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_greys_without_a_known_range_are_refused(tmp_path):
    photo(tmp_path / "a.tiff", Image.fromarray(RAMP.astype(np.float32)))
    with pytest.raises(UserError, match=r"a\.tiff: cannot be decoded \(its greys are floating-point numbers"):
        read_photo(tmp_path / "a.tiff")
    photo(tmp_path / "b.tiff", Image.fromarray(np.full((2, 2), 70_000, np.int32)))
    with pytest.raises(UserError, match=r"its greys are 70000 to 70000; expected 8 or 16 bits"):
        read_photo(tmp_path / "b.tiff")


def test_real_photos_that_every_reader_decodes_are_decoded(real_data):
    cases = real_data / "cases/voc"
    found = [*cases.rglob("*.jpg"), *cases.rglob("*.JPG"), *cases.rglob("*.png")]
    photos = [path for path in found if not path.name.startswith("._")]
    assert len(photos) > 8
    for path in photos:
        assert min(read_photo(path).size) > 0


def test_classes_are_the_sorted_folders_and_hidden_files_are_passed_over(tmp_path):
    for name in ("b/2.png", "b/1.JPG", "a/deep/3.webp", ".hidden/4.png"):
        photo(tmp_path / name, Image.new("RGB", (2, 2)))
    for name in ("a/._3.webp", "a/notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    classes, files, labels = list_image_folder(tmp_path, remedy="")
    assert classes == ["a", "b"]
    assert [file.name for file in files] == ["3.webp", "1.JPG", "2.png"]
    assert labels.tolist() == [0, 1, 1]


def test_folders_that_are_no_imagefolder_are_refused(tmp_path):
    with pytest.raises(UserError) as raised:
        list_image_folder(tmp_path / "none", remedy="make one")
    assert str(raised.value) == f"{tmp_path / 'none'}: no ImageFolder there; make one"
    with pytest.raises(UserError, match="0 subfolders; expected one for each class, at least 2; make one"):
        list_image_folder(tmp_path, remedy="make one")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match=r"a: no image \(.*\); remove the folder or fill it"):
        list_image_folder(tmp_path, remedy="make one")
