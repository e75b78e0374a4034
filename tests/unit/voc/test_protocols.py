import pytest

from tracklearn.errors import UserError
from tracklearn.experiment.code_digests import Code
from tracklearn.voc.protocols import PROTOCOLS, official_size, protocol_named


def test_reported_protocols_train_and_test_on_the_papers_sets():
    sets = {name: (one.year, one.train, one.test, one.annotated) for name, one in PROTOCOLS.items()}
    assert sets["voc2012-val"] == (2012, "train", "val", True)
    assert sets["voc2007-test"] == (2007, "trainval", "test", True)
    assert sets["voc2012-test"] == (2012, "trainval", "test", False)
    assert sets["labelled-test"] == (2012, "trainval", "test", True)


def test_the_tuning_split_stays_inside_the_training_images_of_the_reported_one():
    assert PROTOCOLS["labelled-test"].test not in (PROTOCOLS["tuning"].train, PROTOCOLS["tuning"].test)


def test_unknown_protocol_lists_the_known_ones():
    with pytest.raises(UserError, match=r"voc.protocol is 'coco'; expected one of voc2012-val, voc2007-test"):
        protocol_named("coco")


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


def test_no_script_reaches_the_protocols(repository):
    scripts = list((repository / "workflow/scripts").rglob("*.py"))
    assert scripts
    code = Code()
    reached = {module.name for script in scripts for module in code.reachable(script)}
    assert "image_sets.py" in reached
    assert "protocols.py" not in reached
