import subprocess
import sys

import pytest

from tracklearn.errors import UserError
from tracklearn.voc.image_sets import CLASSES, files_by_id, read_image_set


def test_voc_has_twenty_classes():
    assert len(set(CLASSES)) == 20


def test_image_set_has_the_order_of_the_file(devkit):
    assert read_image_set(devkit, year=2012, image_set="val") == ["val_0", "val_1", "val_2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the image set is empty; expected one image id a line"),
        ("a\nb\na\n", "image a is listed twice; remove one of the lines"),
        ("../a\nb/c\nd\n", r"'../a' is not an image id; expected a file name .* \(2 such lines\)"),
        ("a.jpg\na.PNG\n", "image a is listed twice"),
    ],
)
def test_bad_image_sets_are_one_line_errors(devkit, text, message):
    (devkit / "VOC2012/ImageSets/Main/val.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        read_image_set(devkit, year=2012, image_set="val")


def listed(devkit, text, encoding="utf-8"):
    (devkit / "VOC2012/ImageSets/Main/val.txt").write_text(text, encoding=encoding)
    return read_image_set(devkit, year=2012, image_set="val")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_ids_may_have_blanks_and_suffixes_in_lists_of_any_program(devkit, encoding):
    text = "Image at 10.12.13\r\n  Image at 10.12.14.JPG \r\n\r\ncafé (3).png\r\n"
    assert listed(devkit, text, encoding) == ["Image at 10.12.13", "Image at 10.12.14", "café (3)"]


def test_the_column_of_a_lists_class_is_no_part_of_the_ids(devkit):
    assert listed(devkit, "2008_000008 -1\nbeach 2  1\n2008_000019  0\n") == ["2008_000008", "beach 2", "2008_000019"]
    assert listed(devkit, "beach 1\nbeach two\n") == ["beach 1", "beach two"]
    (devkit / "VOC2012/JPEGImages/beach 1.JPG").write_bytes(b"")
    assert listed(devkit, "beach 0\nbeach 1\n") == ["beach 0", "beach 1"]


def test_letters_composed_in_two_ways_are_the_same(devkit):
    (devkit / "VOC2012/JPEGImages/cafe\u0301.jpg").write_bytes(b"")
    assert listed(devkit, "caf\u00e9\n") == ["caf\u00e9"] == listed(devkit, "cafe\u0301\n")
    assert files_by_id(devkit / "VOC2012/JPEGImages")["caf\u00e9"] == "cafe\u0301.jpg"


def test_missing_set_names_the_file_and_the_remedy(devkit):
    with pytest.raises(UserError, match=r"minival\.txt: no such image set; voc.root must be a VOCdevkit"):
        read_image_set(devkit, year=2012, image_set="minival")


@pytest.mark.parametrize("module", ["image_sets", "protocols"])
def test_the_workflow_imports_no_large_package(module):
    code = f"import sys, tracklearn.voc.{module}; print(sorted({{'numpy', 'cv2', 'torch'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
