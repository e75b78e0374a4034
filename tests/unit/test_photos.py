import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
import simplejpeg
from PIL import Image, PngImagePlugin

from tracklearn.errors import UserError
from tracklearn.photos import Header, list_image_folder, read_header, read_photo, read_pixels, turned_box

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


def test_an_ordinary_jpeg_is_decoded_by_libjpeg_turbo_bit_for_bit(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    for number, options in enumerate([{}, {"exif": exif}, {"progressive": True}, {"subsampling": 0}]):
        noise = np.random.default_rng(number).integers(0, 255, (37, 53, 3), np.uint8)
        path = photo(tmp_path / f"{number}.jpg", Image.fromarray(noise), **options)
        assert np.array_equal(read_pixels(path), simplejpeg.decode_jpeg(path.read_bytes(), colorspace="RGB"))


@pytest.mark.parametrize("damage", ["extraneous bytes", "bad Huffman code"])
def test_a_damaged_jpeg_that_readers_decode_is_decoded_and_told_in_the_log(tmp_path, caplog, damage):
    data = bytearray(jpeg())
    if damage == "extraneous bytes":
        data[-2:] = b"\0\0\xff\xd9"
    else:
        data[len(data) // 2 : len(data) // 2 + 40] = b"\xaa" * 40
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(ValueError, match="Corrupt JPEG data"):
        simplejpeg.decode_jpeg(bytes(data))
    assert read_pixels(tmp_path / "a.jpg").shape == (64, 64, 3)
    read_pixels(tmp_path / "a.jpg")
    assert caplog.text.count("a.jpg: libjpeg-turbo says: Corrupt JPEG data") == 1
    with pytest.raises(UserError, match=r"cut.jpg: cannot be decoded \(image file is truncated"):
        (tmp_path / "cut.jpg").write_bytes(jpeg()[:-400])
        read_pixels(tmp_path / "cut.jpg")


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "I;16", "P"])
def test_pixels_are_those_of_the_photo_whatever_its_mode(tmp_path, mode):
    grey = Image.fromarray(np.rint(RAMP * 257).astype(np.uint16)) if mode == "I;16" else Image.fromarray(GREY)
    image = grey if mode == "I;16" else grey.convert("RGB").convert(mode)
    path = photo(tmp_path / ("a.jpg" if mode in ("L", "CMYK") else "a.png"), image)
    pixels = read_pixels(path)
    assert pixels.flags.writeable
    assert np.abs(pixels.astype(int) - np.asarray(read_photo(path))).max() <= 1


@pytest.mark.parametrize(("orientation", "upright"), [(1, (40, 30)), (3, (40, 30)), (6, (30, 40)), (0, (40, 30))])
def test_header_and_pixels_agree_on_the_upright_size(tmp_path, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = photo(tmp_path / "a.jpg", Image.fromarray(GREY), exif=exif)
    header = read_header(path)
    assert header[:2] == (40, 30)
    assert header.upright == upright == read_pixels(path).shape[1::-1]
    assert header.orientation == (orientation or 1)


def test_a_turned_box_in_numbers():
    box = (1, 2, 3, 5)  # in a photo of 10 x 20 pixels
    turned = [turned_box(box, Header(10, 20, each)) for each in range(1, 9)]
    assert turned[:4] == [(1, 2, 3, 5), (6, 2, 8, 5), (6, 14, 8, 17), (1, 14, 3, 17)]
    assert turned[4:] == [(2, 1, 5, 3), (14, 1, 17, 3), (14, 6, 17, 8), (2, 6, 5, 8)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_box_surrounds_what_it_did_in_the_photo_as_stored(tmp_path, orientation):
    pixels = np.zeros((30, 40), np.uint8)
    pixels[3:10, 8:31] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = photo(tmp_path / "a.png", Image.fromarray(pixels), exif=exif)
    rows, columns = np.nonzero(greys(read_photo(path)))
    seen = (columns.min(), rows.min(), columns.max(), rows.max())
    assert turned_box((8, 3, 30, 9), read_header(path)) == seen
    counted_from_one = turned_box((9, 4, 31, 10), read_header(path), first=1)
    assert counted_from_one == tuple(side + 1 for side in seen)


def test_damaged_exif_turns_nothing(tmp_path):
    path = photo(tmp_path / "a.png", Image.fromarray(GREY), exif=b"Exif\0\0nothing")
    assert read_header(path) == (40, 30, 1)
    assert read_photo(path).size == (40, 30)


def test_greys_of_twelve_bits_are_told_in_the_log_once(tmp_path, caplog):
    twelve = Image.fromarray(np.linspace(0, 4095, 1200).reshape(30, 40).astype(np.uint16))
    for name in ("a.png", "b.png"):
        assert greys(read_photo(photo(tmp_path / name, twelve))).max() == 16
    told = "a photo has greys up to 4,095 of 65,535; scale them to 16 bits if they have fewer"
    assert caplog.messages == [f"{tmp_path}: {told}"]
    read_photo(photo(tmp_path / "c.png", Image.fromarray(np.rint(RAMP * 257).astype(np.uint16))))
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(("behind", "upright"), [(False, (30, 40)), (True, (40, 30))])
def test_the_header_of_a_png_is_read_without_its_pixels_which_are_turned_as_it_says(
    tmp_path, monkeypatch, behind, upright
):
    exif = Image.Exif()
    exif[0x0112] = 6
    body = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    path = photo(tmp_path / "a.png", Image.fromarray(GREY))
    data = path.read_bytes()
    place = data.index(b"IEND" if behind else b"IDAT") - 4
    path.write_bytes(data[:place] + chunk + data[place:])
    assert read_photo(path).size == upright
    decoded = []
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", decoded.append)
    assert read_header(path).upright == upright
    assert not decoded


def test_a_png_with_a_long_text_is_read(tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * 3_000_000, zip=True)
    read = greys(read_photo(photo(tmp_path / "a.png", Image.fromarray(GREY), pnginfo=text)))
    assert np.abs(read - RAMP).max() <= 1


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
