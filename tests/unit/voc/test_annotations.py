import numpy as np
import pytest
from worlds.devkit import annotation

from tracklearn.errors import UserError
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
    with pytest.raises(UserError, match=r"train_0\.jpg: cannot be decoded .* expected a JPEG image"):
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
