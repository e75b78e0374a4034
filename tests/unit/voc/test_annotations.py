import itertools

import numpy as np
import pytest
from PIL import Image
from worlds.devkit import annotation

from tracklearn.errors import UserError
from tracklearn.photos import read_header
from tracklearn.voc.annotation_xml import parse_leniently
from tracklearn.voc.annotations import Voc
from tracklearn.voc.protocols import PROTOCOLS


def write(devkit, text, image_id="train_0"):
    (devkit / f"VOC2012/Annotations/{image_id}.xml").write_text(text)


def test_objects_count_pixels_from_zero(devkit):
    objects = Voc(devkit, classes=["cat", "dog"]).objects("train_1")
    assert objects.boxes.dtype == np.float32
    assert objects.boxes.tolist() == [[8, 8, 47, 52], [70, 21, 110, 71]]
    assert objects.labels.tolist() == [0, 1]
    assert objects.difficult.tolist() == [False, True]


def test_labels_follow_the_class_list(devkit):
    assert Voc(devkit).objects("train_0").labels.tolist() == [7, 11]


def test_image_and_its_size(devkit):
    photos = Voc(devkit)
    assert photos.image("test_4").shape == (90, 120, 3)
    assert photos.size("test_4") == (120, 90)
    red = photos.image("train_0")[20, 20]
    assert red[0] > 180 > red[2]


def test_the_header_of_a_photo_is_read_once(devkit, monkeypatch):
    read = []
    monkeypatch.setattr("tracklearn.voc.annotations.read_header", lambda path: read.append(path) or read_header(path))
    photos = Voc(devkit)
    assert photos.size("train_0") == photos.size("train_0") == (120, 90)
    assert len(photos.objects("train_0").boxes) == 2
    assert read == [photos.photo_path("train_0")]


def test_image_without_objects(devkit):
    write(devkit, annotation([]))
    objects = Voc(devkit).objects("train_0")
    assert objects.boxes.shape == (0, 4)
    assert objects.labels.shape == objects.difficult.shape == (0,)


def test_decimal_corners_and_corners_on_the_border_are_kept_inside(devkit):
    write(devkit, annotation([("cat", -1, 2.5, 120, 89, False)]))
    assert Voc(devkit).objects("train_0").boxes.tolist() == [[0, 2.5, 119, 89]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation><object>", r"train_0\.xml: not well-formed XML"),
        (annotation([("unicorn", 1, 1, 9, 9, False)]), "object of class 'unicorn'; expected one of voc.classes"),
        (annotation([("cat", 30, 1, 9, 9, False)]), r"bndbox of 'cat' is .*; expected a box inside 120 x 90 pixels"),
        (annotation([("cat", 130, 1, 140, 9, False)]), "expected a box inside 120 x 90 pixels"),
        (annotation([("cat", 1, 1, 9, 9, False)]).replace("<xmax>10</xmax>", ""), "expected a box inside"),
        (annotation([("cat", 1, 1, 9, 9, False)]).replace("<xmax>10", "<xmax>ten"), "expected four numbers"),
        (annotation([], width=121), "size is 121 x 90, but its image has 120 x 90 pixels"),
    ],
)
def test_bad_annotations_are_one_line_errors(devkit, text, message):
    write(devkit, text)
    with pytest.raises(UserError, match=message):
        Voc(devkit).objects("train_0")


def test_missing_and_broken_files_are_named(devkit):
    photos = Voc(devkit)
    with pytest.raises(UserError, match=r"gone\.jpg: no such file"):
        photos.image("gone")
    with pytest.raises(UserError, match=r"gone\.xml: no such file"):
        photos.objects("gone")
    (devkit / "VOC2012/JPEGImages/train_0.jpg").write_bytes(b"<html>404</html>")
    with pytest.raises(UserError, match=r"train_0\.jpg: cannot be decoded \(.*\); replace or remove it"):
        photos.image("train_0")
    with pytest.raises(UserError, match=r"train_0\.jpg: cannot be decoded"):
        photos.size("train_0")


def test_wrong_root_names_the_year(tmp_path):
    with pytest.raises(UserError, match="it has no folder VOC2007; point it at a VOCdevkit"):
        Voc(tmp_path, 2007)


@pytest.mark.real
def test_every_real_annotation_is_readable(real_data):
    root = real_data / "voc_mini/VOCdevkit"
    PROTOCOLS["labelled-test"].check(root)
    photos = Voc(root)
    objects = [photos.objects(one) for name in ("trainval", "test") for one in photos.images(name)]
    assert len(objects) == 256
    assert sum(len(each.boxes) for each in objects) == 967
    assert sum(each.difficult.sum() for each in objects) > 0


CAT = ("cat", 20, 10, 49, 29, False)


def write_turned(devkit, orientation, *, size=(120, 90), text):
    """A photo whose stored pixels have a white cat at `CAT`, and its annotation; EXIF says how it is turned."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[10:30, 20:50] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(devkit / "VOC2012/JPEGImages/train_0.jpg", exif=exif, quality=95)
    write(devkit, text)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_follow_a_photo_that_exif_turns_in_whichever_of_the_two_they_were_drawn(devkit, orientation):
    write_turned(devkit, orientation, text=annotation([CAT]))  # 120 x 90, as stored
    photos = Voc(devkit)
    assert photos.size("train_0") == (90, 120)
    image = photos.image("train_0")
    assert image.shape == (120, 90, 3)
    rows, columns = np.nonzero(image[:, :, 0] > 128)
    seen = [columns.min(), rows.min(), columns.max(), rows.max()]
    assert photos.objects("train_0").boxes.tolist() == [seen]
    drawn_turned = annotation([("cat", *seen, False)], width=90, height=120)
    write(devkit, drawn_turned)
    assert photos.objects("train_0").boxes.tolist() == [seen]


@pytest.mark.parametrize(
    ("orientation", "size", "stated"), [(3, (120, 90), (120, 90)), (6, (90, 90), (90, 90)), (6, (120, 90), (0, 0))]
)
def test_a_turned_photo_whose_annotation_does_not_show_it_is_one_line_that_names_exif(
    devkit, orientation, size, stated
):
    write_turned(devkit, orientation, size=size, text=annotation([CAT], width=stated[0], height=stated[1]))
    with pytest.raises(UserError, match=rf"EXIF turns train_0.jpg \(orientation {orientation}\).*mogrify -auto-orient"):
        Voc(devkit).objects("train_0")
    write(devkit, annotation([], width=stated[0], height=stated[1]))
    assert len(Voc(devkit).objects("train_0").boxes) == 0


def test_another_size_of_a_turned_photo_names_exif(devkit):
    write_turned(devkit, 6, text=annotation([CAT], width=50, height=60))
    with pytest.raises(UserError, match=r"50 x 60, but its image has 90 x 120 pixels \(EXIF orientation 6\)"):
        Voc(devkit).objects("train_0")


@pytest.mark.parametrize("size", ["0", "120.0", "120.4"])
def test_a_size_of_zero_or_with_decimals_is_that_of_the_image(devkit, size):
    height = {"120": "90"}.get(size[:3], size)
    write(devkit, annotation([CAT], width=size, height=height))
    assert Voc(devkit).objects("train_0").boxes.tolist() == [[20, 10, 49, 29]]


def test_an_annotation_without_a_size(devkit):
    text = annotation([CAT])
    write(devkit, text[: text.index("<size>")] + text[text.index("</size>") + 7 :])
    assert Voc(devkit).objects("train_0").boxes.tolist() == [[20, 10, 49, 29]]


@pytest.mark.parametrize(
    ("encoding", "folder", "name"),
    [
        ("gb2312", "图片", "猫"),
        ("gb2312", "鎔", "猫"),  # a letter of GBK, which GB 2312 has not
        ("gbk", "图片", "猫"),
        ("big5", "圖片", "貓"),
        ("shift_jis", "写真①", "猫"),
        ("euc-jp", "写真", "猫"),
        ("euc-kr", "사진", "고양이"),
        ("utf-16", "图片", "猫"),
        ("utf-8", "图片", "猫"),
        ("koi8-r", "фото", "кот"),
    ],
)
def test_annotations_in_the_encodings_of_the_world(devkit, encoding, folder, name):
    text = annotation([(name, *CAT[1:])]).replace("<annotation>", f"<annotation><folder>{folder}</folder>")
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n{text}'
    codec = {"gb2312": "gbk", "shift_jis": "cp932"}.get(encoding, encoding)
    (devkit / "VOC2012/Annotations/train_0.xml").write_bytes(text.encode(codec))
    assert Voc(devkit, classes=["dog", name]).objects("train_0").labels.tolist() == [1]


def test_letters_that_the_declared_encoding_has_not_do_no_harm_outside_of_class_names(devkit):
    path = devkit / "VOC2012/Annotations/train_0.xml"
    text = annotation([CAT]).replace("<annotation>", "<annotation><folder>图片</folder>")
    path.write_bytes(text.encode("gbk"))
    assert Voc(devkit).objects("train_0").labels.tolist() == [7]
    path.write_bytes(f'<?xml version="1.0" encoding="klingon"?>{text}'.encode())
    with pytest.raises(UserError, match=r"train_0.xml: not well-formed XML \(unknown encoding: klingon\)"):
        Voc(devkit).objects("train_0")


@pytest.mark.parametrize(
    ("declaration", "codec", "name"),
    [
        ('<?xml version="1.0" encoding = "GB2312"?>', "gbk", "鎔"),
        ('<?xml version="1.0" encoding="utf-8"?>', "cp1252", "p\u00eache"),
        ("", "utf-8", "cat & dog"),
    ],
)
def test_the_workflow_reads_an_annotation_as_it_is_adopted(devkit, declaration, codec, name):
    path = devkit / "VOC2012/Annotations/train_0.xml"
    path.write_bytes((declaration + annotation([(name, *CAT[1:])])).encode(codec))
    assert Voc(devkit, classes=["dog", name]).objects("train_0").labels.tolist() == [1]
    root, mended = parse_leniently(path.read_bytes())
    assert root.findtext("object/name") == name
    assert mended


@pytest.mark.parametrize(
    "text", ["<annotation>", annotation([CAT], width=121), annotation([("cat", 130, 1, 140, 9, 0)])]
)
def test_what_is_spoilt_names_the_tool_that_mends_it(devkit, text):
    write(devkit, text)
    with pytest.raises(UserError, match=r", or bring the folder into order: python -m tracklearn\.voc\.adopt$"):
        Voc(devkit).objects("train_0")


@pytest.mark.parametrize("suffix", [".JPG", ".jpeg", ".JPEG", ".png", ".webp"])
def test_photos_with_other_suffixes_are_found(devkit, suffix):
    folder = devkit / "VOC2012/JPEGImages"
    expected = Voc(devkit).image("train_0")
    with Image.open(folder / "train_0.jpg") as image:
        image.save(folder / f"other{suffix}", lossless=True, quality=100, subsampling=0)
    (folder / "train_0.jpg").unlink()
    (folder / f"other{suffix}").rename(folder / f"train_0{suffix}")
    (folder / f"._train_0{suffix}").write_bytes(b"of macOS")
    assert Voc(devkit).photo_path("train_0").name == f"train_0{suffix}"
    assert Voc(devkit).size("train_0") == (120, 90)
    assert np.abs(Voc(devkit).image("train_0").astype(int) - expected).max() <= 3
    assert len(Voc(devkit).objects("train_0").boxes) == 2


def test_a_png_of_16_bits_within_jpg_and_an_upper_case_annotation(devkit):
    greys = np.linspace(0, 65535, 90 * 120).reshape(90, 120).astype(np.uint16)
    Image.fromarray(greys).save(devkit / "VOC2012/JPEGImages/train_0.jpg", format="png")
    annotations = devkit / "VOC2012/Annotations"
    (annotations / "train_0.xml").rename(annotations / "train_0.XML")
    image = Voc(devkit).image("train_0")
    assert np.array_equal(image, np.rint(greys / 257).astype(np.uint8)[..., None].repeat(3, axis=2))
    assert Voc(devkit).size("train_0") == (120, 90)
    assert len(Voc(devkit).objects("train_0").boxes) == 2


def test_vocs_own_suffix_comes_first(devkit):
    for name in ("train_0.png", "train_0.JPG"):
        (devkit / "VOC2012/JPEGImages" / name).write_bytes(b"another photo")
    assert Voc(devkit).photo_path("train_0").name == "train_0.jpg"


@pytest.mark.real
@pytest.mark.parametrize(
    "case", ["exif_rotated", "extraneous_bytes", "gb2312", "small_objects", "spaces", "upper_case_JPG", "zero_size"]
)
def test_devkits_that_people_brought_are_read(real_data, case):
    root = real_data / f"cases/voc/{case}/VOCdevkit"
    PROTOCOLS["labelled-test"].check(root)
    photos = Voc(root, classes=["cat", "dog"])
    ids = list(itertools.chain(*(photos.images(name) for name in ("trainval", "test"))))
    assert len(ids) == 3
    for image_id in ids:
        width, height = photos.size(image_id)
        assert (width, height) == ((240, 320) if case == "exif_rotated" else (320, 240))
        image, (box,) = photos.image(image_id), photos.objects(image_id).boxes.astype(int)
        assert image.shape == (height, width, 3)
        inside = image[box[1] : box[3] + 1, box[0] : box[2] + 1].reshape(-1, 3)
        assert np.linalg.norm(np.median(inside, axis=0) - np.median(image.reshape(-1, 3), axis=0)) > 40, case
