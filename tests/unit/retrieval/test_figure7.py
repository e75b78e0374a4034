import re

import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.retrieval.figure7 import draw, figure7
from tracklearn.retrieval.labelled import annotated_windows
from tracklearn.retrieval.outcome import write_nearest
from tracklearn.voc.annotations import Voc


def answers(devkit, path, windows):
    """The file of a method that answers the six objects of val with objects of train."""
    photos = Voc(devkit)
    queries, database = (
        annotated_windows(ids, [photos.objects(image) for image in ids], of="here")
        for ids in (photos.images("val"), photos.images("train"))
    )
    write_nearest(path, queries, database, windows, np.zeros(windows.shape))
    return path


@pytest.fixture
def world(devkit, tmp_path):
    """Arguments of `figure7`. The objects are a cat and a dog by turns; one method finds cats for every query."""
    cats = np.tile([0, 2, 4], (6, 1))
    own = np.array([[0, 2, 4], [1, 3, 5]] * 3)
    own[5] = -1
    return {
        "voc": devkit, "year": 2012, "page": tmp_path / "figure7.html",
        "nearest": [
            ("random", answers(devkit, tmp_path / "random.npz", cats)),
            ("ours", answers(devkit, tmp_path / "o.npz", own)),
        ],
    }  # fmt: skip


def test_the_page_shows_every_method_and_marks_right_and_wrong(world):
    metrics = figure7(**world, figure7={"per_class": 1, "shown": 2}, image="val_1", place="1")
    page = world["page"].read_text()
    assert metrics == {"queries": 1, "windows": 4}
    assert "The query is object 1 of image val_1." in page
    assert re.findall(r'class="method">([^<]+)<br>([^<]+)<', page) == [
        ("random", "0 of 3 right"),
        ("ours", "3 of 3 right"),
    ]
    marks = re.findall(r'<div class="window (right|wrong)">.*?(&#1000[37];) (cat|dog)</div>', page, re.DOTALL)
    assert marks == [("wrong", "&#10007;", "cat")] * 2 + [("right", "&#10003;", "dog")] * 2


def test_methods_of_one_name_are_all_shown(world):
    (_, random), (_, ours) = world["nearest"]
    figure7(**world | {"nearest": [("net", random), ("net", ours)]}, image="val_1", place=1)
    shown = re.findall(r'class="method">net<br>(\d) of 3', world["page"].read_text())
    assert shown == ["0", "3"]


def test_some_queries_of_each_class_are_drawn(world):
    metrics = figure7(**world, figure7={"per_class": 2, "shown": 3, "seed": 4})
    page = world["page"].read_text()
    assert metrics["queries"] == 4
    assert re.findall(r'class="query" id="[^"]+-(\d)"', page) == ["0", "0", "1", "1"]  # cats, then dogs
    assert "2 queries of each class, drawn at random with seed 4 and not chosen." in page
    assert "The evaluation images have no object of these classes: aeroplane, bicycle, bird" in page


def test_a_query_without_neighbours_says_so(world):
    figure7(**world, image="val_2", place=1)
    assert "no neighbours: all features of this query are 0" in world["page"].read_text()


def test_the_draw_depends_on_the_seed_alone():
    labels = np.repeat([0, 1, 3], [50, 1, 30])
    drawn = draw(labels, 3, seed=1)
    assert drawn == draw(labels, 3, seed=1) != draw(labels, 3, seed=2)
    assert labels[drawn].tolist() == [0, 0, 0, 1, 3, 3, 3]
    assert draw(labels[:50], 3, seed=1) == drawn[:3]


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (
            ("nowhere", 0),
            "image 'nowhere' has no query; expected one of the 3 evaluation images with objects: val_0, val_1",
        ),
        (("val_1", 2), "image val_1 has no object 2; its 2 objects are numbered from 0 to 1"),
    ],
)
def test_a_query_that_does_not_exist_is_named_with_those_that_do(world, asked, text):
    with pytest.raises(UserError, match=text):
        figure7(**world, image=asked[0], place=asked[1])
    assert not world["page"].exists()


def test_methods_that_answered_other_queries_are_refused(world, devkit, tmp_path):
    (devkit / "VOC2012/ImageSets/Main/val.txt").write_text("val_1\nval_0\nval_2\n")
    world["nearest"].append(("later", answers(devkit, tmp_path / "later.npz", np.zeros((6, 3), int))))
    with pytest.raises(UserError, match=r"later.npz: its queries are not those of .*random.npz; delete the older file"):
        figure7(**world)


def test_an_unreadable_photo_is_named(world, devkit):
    (devkit / "VOC2012/JPEGImages/train_0.jpg").write_bytes(b"no photo")
    with pytest.raises(UserError, match=r"train_0.jpg: cannot be decoded"):
        figure7(**world)


def test_without_a_method_there_is_no_page(world):
    with pytest.raises(UserError, match=r"no method to show; write rows of section6.retrieval"):
        figure7(**world | {"nearest": []})
