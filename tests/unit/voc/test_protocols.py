import subprocess
import sys

import pytest

from tracklearn.errors import UserError
from tracklearn.voc.protocols import (
    CLASSES,
    PROTOCOLS,
    check_disjoint,
    official_size,
    protocol_named,
    read_image_set,
)


def test_reported_protocols_train_and_test_on_the_papers_sets():
    sets = {name: (one.year, one.train, one.test, one.annotated) for name, one in PROTOCOLS.items()}
    assert sets["voc2012-val"] == (2012, "train", "val", True)
    assert sets["voc2007-test"] == (2007, "trainval", "test", True)
    assert sets["voc2012-test"] == (2012, "trainval", "test", False)
    assert sets["labelled-test"] == (2012, "trainval", "test", True)
    assert len(CLASSES) == 20


def test_the_tuning_split_stays_inside_the_training_images_of_the_reported_one():
    assert PROTOCOLS["labelled-test"].test not in (PROTOCOLS["tuning"].train, PROTOCOLS["tuning"].test)


def test_unknown_protocol_lists_the_known_ones():
    with pytest.raises(UserError, match=r"detection.protocol is 'coco': expected one of voc2012-val, voc2007-test"):
        protocol_named("coco")


def test_image_set_in_the_files_order(devkit):
    assert read_image_set(devkit, year=2012, image_set="val") == ["val_0", "val_1", "val_2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the image set is empty; expected one image id a line"),
        ("a\nb\na\n", "image a is listed twice; remove one of the lines"),
        ("../a\n", "'../a' is no image id; expected a file name"),
    ],
)
def test_bad_image_sets_are_one_line_errors(devkit, text, message):
    (devkit / "VOC2012/ImageSets/Main/val.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        read_image_set(devkit, year=2012, image_set="val")


def test_missing_set_names_the_file_and_the_remedy(devkit):
    with pytest.raises(UserError, match=r"minival\.txt: no such image set; voc.root must be a VOCdevkit"):
        read_image_set(devkit, year=2012, image_set="minival")


def test_shared_image_is_named():
    with pytest.raises(UserError, match=r"image b is in the training set 'train' .* evaluation set 'val' \(2 such"):
        check_disjoint(["a", "b", "c"], ["c", "d", "b"], train_set="train", test_set="val")
    check_disjoint(["a"], ["b"], train_set="train", test_set="val")


def test_protocol_check_reads_the_sets(devkit):
    PROTOCOLS["labelled-test"].check(devkit)
    (devkit / "VOC2012/ImageSets/Main/test.txt").write_text("test_0\nval_1\n")
    with pytest.raises(UserError, match="image val_1 is in the training set 'trainval'"):
        PROTOCOLS["labelled-test"].check(devkit)


def test_official_sizes_add_up():
    for year in (2007, 2012):
        assert official_size(year, "train") + official_size(year, "val") == official_size(year, "trainval")
    assert official_size(2012, "test") == 10991
    with pytest.raises(UserError, match="VOC2010 test: no official detection set"):
        official_size(2010, "test")


def test_the_workflow_can_import_protocols_without_heavy_packages():
    code = "import sys, tracklearn.voc.protocols; print(sorted({'numpy', 'cv2', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
