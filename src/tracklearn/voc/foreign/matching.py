"""Which photo an annotation belongs to: by the file's own name, then by the name that the annotation states."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from tracklearn.files import PHOTO_SUFFIXES


class Stated(NamedTuple):
    """What an annotation says about its photo; labelling tools leave both when files are renamed or moved."""

    filename: str
    folder: str


class Match(NamedTuple):
    """The photo of an annotation and how it was found, "" if both have one name.

    Several photos fit equally well if there is no single `photo`.
    """

    photo: PurePosixPath | None
    how: str
    candidates: tuple[PurePosixPath, ...]


PhotoKey = Callable[[PurePosixPath], Any]
AnnotationKey = Callable[[PurePosixPath, Stated], Any]


def match_photos(
    photos: Sequence[PurePosixPath], annotations: Mapping[PurePosixPath, Stated]
) -> dict[PurePosixPath, Match]:
    """Find the photos of annotations; no photo is given to two annotations.

    The ways of `WAYS` are tried in turn, each for all annotations that have no photo yet and among the photos that are
    left. Several photos that fit equally well are told apart by `<filename>`, by their folder and by `<folder>`; of
    those that then lie in one folder, the first by name is taken.

    Args:
        photos: paths below the folder of photos.
        annotations: paths below the folder of annotations, with what each states.

    Returns:
        By annotation; an annotation without a photo is missing.
    """
    matches: dict[PurePosixPath, Match] = {}
    left = set(photos)
    for how, photo_key, annotation_key in WAYS:
        by_key = defaultdict(list)
        for photo in sorted(left):
            by_key[photo_key(photo)].append(photo)
        for annotation, stated in sorted(annotations.items()):
            key = annotation_key(annotation, stated)
            candidates = [photo for photo in by_key.get(key, ()) if photo in left]
            if annotation in matches or not key or not candidates:
                continue
            candidates = _told_apart(candidates, annotation, stated)
            clear = len({photo.parent for photo in candidates}) == 1
            matches[annotation] = Match(candidates[0] if clear else None, how, tuple(candidates))
            if clear:
                left.remove(candidates[0])
    return matches


def loose(name: str) -> str:
    """A name without what people and systems change: a photo's suffix, case, blanks and forms of one letter."""
    for suffix in PHOTO_SUFFIXES:
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
            break
    return re.sub(r"(?:[\s_]|%20)+", "_", unicodedata.normalize("NFKC", name).casefold()).strip("_")


def _told_apart(candidates: list[PurePosixPath], annotation: PurePosixPath, stated: Stated) -> list[PurePosixPath]:
    tests: tuple[Callable[[PurePosixPath], bool], ...] = (
        lambda photo: photo.name == stated.filename,
        lambda photo: photo.parent == annotation.parent,
        lambda photo: photo.parent.name == stated.folder,
    )
    for test in tests:
        candidates = [photo for photo in candidates if test(photo)] or candidates
    return candidates


WAYS: tuple[tuple[str, PhotoKey, AnnotationKey], ...] = (
    ("", lambda photo: (photo.parent, photo.stem), lambda file, stated: (file.parent, file.stem)),
    ("", lambda photo: photo.stem, lambda file, stated: file.stem),
    ("by its name without case and blanks", lambda photo: loose(photo.name), lambda file, stated: loose(file.stem)),
    ("by <filename>", lambda photo: photo.name, lambda file, stated: stated.filename),
    (
        "by <filename> without case, blanks and suffix",
        lambda photo: loose(photo.name),
        lambda file, stated: loose(stated.filename),
    ),
)
