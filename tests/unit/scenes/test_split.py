from pathlib import Path

import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.scenes.split import split_photos, stratified

TRAIN, TEST = "TrainImages.txt", "TestImages.txt"


def folder(root, photos, train=None, test=None):
    """Empty photos, and the two lists where they are given."""
    for name in photos:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    for name, lines in ((TRAIN, train), (TEST, test)):
        if lines is not None:
            (root / name).write_text("\n".join(lines))
    return {"root": str(root)}


def names(photos):
    return [f"{path.parent.name}/{path.name}" for path in photos]


def test_the_lists_decide_wherever_the_photos_lie(tmp_path):
    listed = {"train": ["b/1.jpg", "a/2.jpg", "a/1.jpg"], "test": ["a/3.jpg", "b/9 9.jpg"]}
    for root, photos_in in ((tmp_path / "x", ""), (tmp_path / "y", "Images/")):
        photos = [f"{photos_in}{name}" for name in [*listed["train"], *listed["test"], "c/unlisted.jpg"]]
        found = split_photos(folder(root, photos, **listed))
        assert found.classes == ["a", "b"]
        assert names(found.train) == listed["train"]
        assert found.train_labels.tolist() == [1, 0, 0]
        assert names(found.test) == listed["test"]
        assert found.test_labels.tolist() == [0, 1]
        assert all(path.exists() for path in [*found.train, *found.test])


def test_photos_whose_suffix_or_letters_are_written_otherwise_than_in_the_lists(tmp_path):
    on_disk = ["a/1.JPG", "b/cafe\u0301.png", "b/2.jpg"]
    settings = folder(tmp_path, on_disk, ["a/1.jpg", "b/2.jpg"], ["b/caf\u00e9.jpg"])
    found = split_photos(settings)
    assert names(found.train) == ["a/1.JPG", "b/2.jpg"]
    assert names(found.test) == ["b/cafe\u0301.png"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_as_other_programs_save_them(tmp_path, encoding):
    settings = folder(tmp_path, ["a/1.jpg", "b/2.jpg", "a/é.jpg"])
    (tmp_path / TRAIN).write_text("a/1.jpg\r\nb/2.jpg\r\n\r\n", encoding=encoding, newline="")
    (tmp_path / TEST).write_text("a/é.jpg\n\n", encoding=encoding)
    found = split_photos(settings)
    assert names(found.train) == ["a/1.jpg", "b/2.jpg"]
    assert names(found.test) == ["a/é.jpg"]


def test_the_official_lists(real_data):
    root = real_data / "splits"
    lines = [(root / f"indoor67_{name}.txt").read_text().split("\n") for name in ("train", "test")]
    assert [len(each) for each in lines] == [5360, 1340]
    classes = [{line.split("/")[0] for line in each} for each in lines]
    assert classes[0] == classes[1] and len(classes[0]) == 67


def test_a_seed_splits_each_category(tmp_path):
    photos = [f"{name}/{index}.png" for name, count in (("a", 10), ("b", 4), ("c", 2)) for index in range(count)]
    settings = folder(tmp_path, photos) | {"lists": None, "train_share": 0.75, "seed": 3}
    found = split_photos(settings)
    assert sorted(names([*found.train, *found.test])) == sorted(photos)
    assert np.bincount(found.train_labels).tolist() == [8, 3, 1]
    assert [found.classes[label] for label in found.test_labels] == [path.parent.name for path in found.test]
    assert split_photos(settings).train == found.train
    assert split_photos(settings | {"seed": 4}).train != found.train


def test_a_new_category_leaves_the_split_of_those_before_it(tmp_path):
    settings = folder(tmp_path, [f"{name}/{index}.png" for name in "ab" for index in range(20)]) | {"lists": None}
    before = split_photos(settings).test
    folder(tmp_path, [f"c/{index}.png" for index in range(20)])
    assert split_photos(settings).test[: len(before)] == before


def test_shares_of_small_classes():
    labels = np.array([0] * 10 + [1] * 2 + [2])
    for share, expected in ((0.2, [2, 1, 0]), (0.01, [1, 1, 0]), (0.99, [9, 1, 0])):
        assert np.bincount(labels[stratified(labels, share, seed=0)], minlength=3).tolist() == expected


PHOTOS = ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"]


@pytest.mark.parametrize(
    ("photos", "train", "test", "message"),
    [
        ([], ["a/1.jpg"], ["a/2.jpg"], r"TrainImages\.txt: a/1\.jpg is not in .* \(1 of 1 photos are missing\); put"),
        (
            PHOTOS,
            ["a/1.jpg", "a/x.jpg", "b/1.jpg", "b/y.jpg"],
            PHOTOS[:1],
            r"a/x\.jpg is not in .* \(2 of 4 photos are missing\); put them there or take them out of the list",
        ),
        (PHOTOS, None, PHOTOS, r"TrainImages\.txt: no such list; put it there, set scenes\.lists to the names"),
        (PHOTOS, PHOTOS[:2], [], r"TestImages\.txt: the list is empty; expected one `category/file` a line"),
        (PHOTOS, ["1.jpg"], PHOTOS, r"'1\.jpg' is not a photo of a category; expected `category/file`"),
        (PHOTOS, ["../a/1.jpg"], PHOTOS, r"'\.\./a/1\.jpg' is not a photo of a category"),
        (PHOTOS, ["a/1.jpg", "b/1.jpg", "a/1.jpg"], PHOTOS, r"a/1\.jpg is listed twice \(1 such photos\)"),
        (PHOTOS, PHOTOS[:3], PHOTOS[2:], "image b/1.jpg is in the training set 'TrainImages.txt' and in the"),
        (PHOTOS, PHOTOS[:1], PHOTOS[1:2], r"TrainImages\.txt: all photos are of the category a; expected at least 2"),
        (
            [*PHOTOS, "c/1.jpg", "c/2.jpg"],
            PHOTOS[::2],
            ["a/2.jpg", "c/1.jpg", "c/2.jpg"],
            r"TestImages\.txt: the category c has no training photo \(1 such categories\); add some",
        ),
    ],
)
def test_lists_that_cannot_be_used_are_a_one_line_error(tmp_path, photos, train, test, message):
    with pytest.raises(UserError, match=message) as raised:
        split_photos(folder(tmp_path, photos, train, test))
    assert "\n" not in str(raised.value)


def test_a_list_in_another_encoding_is_named(tmp_path):
    settings = folder(tmp_path, PHOTOS, PHOTOS[::2], PHOTOS[1::2])
    (tmp_path / TRAIN).write_text("a/1.jpg\nb/é.jpg\n", encoding="latin-1")
    with pytest.raises(UserError, match=r"TrainImages\.txt, line 2: byte 0xe9 is neither .*; save the file as UTF-8"):
        split_photos(settings)


@pytest.mark.parametrize(
    ("photos", "message"),
    [
        ([*PHOTOS, "c/notes.txt"], r"c: no image \(.*\); remove the folder or fill it"),
        ([*PHOTOS, "c/1.jpg"], r"c: 1 photo; a split needs at least 2 of each category: add photos or remove"),
        (PHOTOS[:2], "1 subfolders; expected one for each class, at least 2; set scenes.root to"),
    ],
)
def test_folders_that_cannot_be_split_are_a_one_line_error(tmp_path, photos, message):
    with pytest.raises(UserError, match=message):
        split_photos(folder(tmp_path, photos) | {"lists": None})


@pytest.mark.parametrize("lists", [None, [TRAIN, TEST]])
def test_a_missing_folder_names_the_setting(tmp_path, lists):
    with pytest.raises(UserError, match=r"none: .*; set scenes.root to a folder with .*, or set scenes.download: true"):
        split_photos({"root": str(Path(tmp_path, "none")), "lists": lists})
