"""Which photos of a folder of scenes train and which are tested: by lists, or by a seed."""

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracklearn.errors import UserError
from tracklearn.files import names_by_stem, read_text
from tracklearn.photos import list_image_folder
from tracklearn.settings.base import Block
from tracklearn.settings.scenes import Scenes
from tracklearn.voc.disjoint import check_disjoint

REMEDY = "set scenes.root to a folder with one folder of photos a category, or set scenes.download: true"


class ScenePhotos(NamedTuple):
    """Photos of C categories."""

    classes: list[str]
    train: list[Path]
    train_labels: np.ndarray  # (N,) int64, index into the classes
    test: list[Path]
    test_labels: np.ndarray  # (M,) int64


def split_photos(settings: Block = None) -> ScenePhotos:
    """The training and the test photos.

    Args:
        settings: settings of `settings.scenes.Scenes`.

    Raises:
        UserError: invalid settings, no such folder or list, a category without photos or with too few of them, a list
            that names photos that are not there or a photo twice, or a category that is only tested.
    """
    scenes = Scenes.read(settings)
    root = Path(scenes.root)
    folder = root / "Images" if (root / "Images").is_dir() else root
    if scenes.lists is None:
        return _split_by_seed(folder, scenes.train_share, scenes.seed)
    if not folder.is_dir():
        raise UserError(f"scenes.root is {root}: there is no such folder; {REMEDY}")
    train, test = (read_list(root / name, folder) for name in scenes.lists)
    check_disjoint(train, test, train_set=scenes.lists[0], test_set=scenes.lists[1])
    classes = sorted({_category(name) for name in train})
    if len(classes) < 2:
        raise UserError(f"{root / scenes.lists[0]}: all photos are of the category {classes[0]}; expected at least 2")
    if untrained := sorted({_category(name) for name in test} - set(classes)):
        raise UserError(
            f"{root / scenes.lists[1]}: the category {untrained[0]} has no training photo ({len(untrained)} such "
            f"categories); add some to {scenes.lists[0]} or take its photos out"
        )
    labels = (np.array([classes.index(_category(name)) for name in names], np.int64) for names in (train, test))
    train_labels, test_labels = labels
    return ScenePhotos(
        classes, [folder / name for name in train], train_labels, [folder / name for name in test], test_labels
    )


def read_list(path: Path, folder: Path) -> list[str]:
    """The photos `category/file` that a list names, in its order, under the names that they have on disk.

    A photo whose suffix differs, such as `.JPG` for `.jpg`, is the listed one.

    Raises:
        UserError: no such list, an empty one, lines of another form, a photo that is named twice, or photos that are
            not in `folder`.
    """
    names = listed_photos(path)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"{path}: {twice[0]} is listed twice ({len(twice)} such photos); remove the further lines")
    names = _as_on_disk(names, folder)
    if missing := [name for name in names if not os.path.isfile(folder / name)]:  # noqa: PTH113 (Path's raises for a name that no file can have)
        raise UserError(
            f"{path}: {missing[0]} is not in {folder} ({len(missing)} of {len(names)} photos are missing); put them "
            "there or take them out of the list"
        )
    return names


def _as_on_disk(names: Sequence[str], folder: Path) -> list[str]:
    listed = cache(names_by_stem)

    def on_disk(name: str) -> str:
        path = folder / name
        if os.path.isfile(path):  # noqa: PTH113
            return name
        stem = unicodedata.normalize("NFC", path.stem)
        return str(Path(name).with_name(listed(path.parent).get(stem, path.name)))

    return [on_disk(name) for name in names]


def listed_photos(path: Path) -> list[str]:
    """The lines `category/file` of a list, whether or not the photos are there.

    Raises:
        UserError: no such list, an empty one, one that is not text, or a line of another form.
    """
    try:
        lines = read_text(path).splitlines()
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: no such list; put it there, set scenes.lists to the names of your lists, or to null for a split "
            "by scenes.seed"
        ) from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise UserError(f"{path}: the list is empty; expected one `category/file` a line")
    if others := [name for name in names if not _is_below_a_category(name)]:
        raise UserError(
            f"{path}: {others[0]!r} is not a photo of a category; expected `category/file` ({len(others)} such lines)"
        )
    return names


def _is_below_a_category(name: str) -> bool:
    parts = Path(name).parts
    return len(parts) > 1 and ".." not in parts and parts[0] != "/"


def _category(name: str) -> str:
    return Path(name).parts[0]


def _split_by_seed(folder: Path, train_share: float, seed: int) -> ScenePhotos:
    classes, files, labels = list_image_folder(folder, remedy=REMEDY)
    counts = np.bincount(labels)
    if counts.min() < 2:
        raise UserError(
            f"{folder / classes[counts.argmin()]}: {counts.min()} photo; a split needs at least 2 of each category: "
            "add photos or remove the folder"
        )
    trains = stratified(labels, train_share, seed=seed)
    train, test = (list(compress(files, chosen)) for chosen in (trains, ~trains))
    return ScenePhotos(classes, train, labels[trains], test, labels[~trains])


def stratified(labels: np.ndarray | Sequence[int], share: float, *, seed: int) -> np.ndarray:
    """Choose a share of each class at random: (N,) bool.

    Of a class with several members at least one is chosen and at least one is not; of a single member, none is.
    Another class's members make no difference to the choice.
    """
    labels = np.asarray(labels)
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(round(share * len(members)), 1), len(members) - 1)
        chosen[np.random.default_rng([seed, label]).permutation(members)[:count]] = True
    return chosen
