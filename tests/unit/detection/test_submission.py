import json
import tarfile

import numpy as np
import pytest

from tracklearn.detection.submission import read_scores, server_cells, write_submission
from tracklearn.errors import UserError

CLASSES = ["cat", "dog"]


@pytest.fixture
def submit(devkit, tmp_path):
    ids = [f"test_{number}" for number in range(5)]
    np.savez(
        tmp_path / "detections.npz", ids=ids, classes=CLASSES, label=[0, 0], image=[3, 0],
        boxes=np.array([[0, 4, 9, 19], [2, 3, 118, 88]], np.float32), scores=np.array([1.25, -0.5], np.float32),
    )  # fmt: skip

    def call(**changes):
        arguments = {
            "voc": devkit, "year": 2012, "image_set": "test", "detections": tmp_path / "detections.npz",
            "external": True, "archive": tmp_path / "row.tar.gz", "classes": CLASSES,
        }  # fmt: skip
        write_submission(**arguments | changes)
        with tarfile.open(tmp_path / "row.tar.gz") as tar:
            return {member.name: tar.extractfile(member).read().decode() for member in tar}

    call.folder = tmp_path
    return call


def test_archive_has_a_file_for_each_class_with_pixels_counted_from_one(submit):
    assert submit() == {
        "results/VOC2012/Main/comp4_det_test_cat.txt": "test_3 1.250000 1 5 10 20\ntest_0 -0.500000 3 4 119 89\n",
        "results/VOC2012/Main/comp4_det_test_dog.txt": "",
    }


def test_without_external_data_it_is_comp3(submit):
    assert list(submit(external=False)) == [f"results/VOC2012/Main/comp3_det_test_{name}.txt" for name in CLASSES]


def test_same_detections_give_the_same_bytes(submit):
    submit()
    first = (submit.folder / "row.tar.gz").read_bytes()
    submit()
    assert (submit.folder / "row.tar.gz").read_bytes() == first


def test_detections_of_another_set_are_refused(submit):
    with pytest.raises(UserError, match="its images are not those of 'val'"):
        submit(image_set="val")


@pytest.fixture
def cells(tmp_path):
    paths = [tmp_path / f"{name}.json" for name in (*CLASSES, "mAP")]

    def call(scores=None, row="a"):
        metrics = server_cells(
            row=row, classes=CLASSES, scores=scores, archive="row.tar.gz", cells=paths, replicates=tmp_path / "r.npz"
        )
        return {path.stem: json.loads(path.read_text()) for path in paths}, metrics, np.load(tmp_path / "r.npz")

    return call


def test_server_scores_become_cells(cells, tmp_path):
    (tmp_path / "scores.csv").write_text("row,class,value\n# by the server\na,cat,47.4\na dog 50\n\nb,cat,1 # other\n")
    filled, metrics, replicates = cells(tmp_path / "scores.csv")
    assert [filled[name]["value"] for name in ("cat", "dog", "mAP")] == [47.4, 50, 48.7]
    assert filled["mAP"]["classes"] == 2
    assert filled["cat"]["row"] == "a"
    assert metrics == {"AP.cat": 47.4, "AP.dog": 50, "mAP": 48.7}
    assert replicates["mAP"].shape == (0,)


def test_a_cell_without_a_score_says_what_to_submit(cells, tmp_path):
    filled, metrics, _ = cells()
    assert filled["cat"]["reason"].startswith("submit row.tar.gz to the evaluation server")
    assert filled["mAP"]["value"] is None
    assert metrics == {}
    (tmp_path / "scores.txt").write_text("b cat 1\n")
    filled, _, _ = cells(tmp_path / "scores.txt")
    assert "scores.txt has no line for a cat" in filled["cat"]["reason"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_scores_saved_by_any_program(tmp_path, encoding):
    (tmp_path / "scores.txt").write_text("a cat 47.4\r\n", encoding=encoding, newline="")
    assert read_scores(tmp_path / "scores.txt", classes=CLASSES) == {("a", "cat"): 47.4}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a cat\n", "line 1: 'a cat'; expected `row class value`"),
        ("a cat 1\na bird 2\n", "line 2: class 'bird'; expected one of cat, dog"),
        ("a cat high\n", "value 'high'; expected a percentage such as 47.4"),
        ("a cat 101\n", "value 101; expected a percentage from 0 to 100"),
        ("a cat nan\n", "value nan; expected a percentage from 0 to 100"),
        ("a cat 1\na cat 2\n", "line 2: a cat was given before"),
        ("a cat 1\na bird 2\nb cat x\nb dog 3\n\nb\n", r"line 2: class 'bird'; .* \(further bad lines: 3, 6\)"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, message):
    (tmp_path / "scores.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        read_scores(tmp_path / "scores.txt", classes=CLASSES)


def test_missing_file_names_the_key(tmp_path):
    with pytest.raises(UserError, match=r"scores\.txt: no such file; detection.server_scores"):
        read_scores(tmp_path / "scores.txt", classes=CLASSES)
