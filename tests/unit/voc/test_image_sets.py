import subprocess
import sys

import pytest

from tracklearn.errors import UserError
from tracklearn.voc.image_sets import CLASSES, read_image_set


def test_voc_has_twenty_classes():
    assert len(set(CLASSES)) == 20


def test_image_set_has_the_order_of_the_file(devkit):
    assert read_image_set(devkit, year=2012, image_set="val") == ["val_0", "val_1", "val_2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the image set is empty; expected one image id a line"),
        ("a\nb\na\n", "image a is listed twice; remove one of the lines"),
        ("../a\n", "'../a' is not an image id; expected a file name"),
    ],
)
def test_bad_image_sets_are_one_line_errors(devkit, text, message):
    (devkit / "VOC2012/ImageSets/Main/val.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        read_image_set(devkit, year=2012, image_set="val")


def test_missing_set_names_the_file_and_the_remedy(devkit):
    with pytest.raises(UserError, match=r"minival\.txt: no such image set; voc.root must be a VOCdevkit"):
        read_image_set(devkit, year=2012, image_set="minival")


@pytest.mark.parametrize("module", ["image_sets", "protocols"])
def test_the_workflow_imports_no_large_package(module):
    code = f"import sys, tracklearn.voc.{module}; print(sorted({{'numpy', 'cv2', 'torch'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
