"""Which photo an annotation belongs to."""

from pathlib import PurePosixPath

from tracklearn.voc.foreign.matching import Stated, match_photos


def matched(photos, annotations):
    """Match names; an annotation is a name, or a name with its `<filename>` and `<folder>`."""
    stated = {}
    for annotation in annotations:
        name, *said = annotation if isinstance(annotation, tuple) else (annotation,)
        stated[PurePosixPath(name)] = Stated(*(*said, "", "")[:2])
    found = match_photos([PurePosixPath(photo) for photo in photos], stated)
    return {str(name): match.photo and str(match.photo) for name, match in found.items()}


def test_an_annotation_belongs_to_the_photo_of_its_name():
    assert matched(["a.jpg", "b.jpg"], [("a.xml", "b.jpg"), ("b.xml", "a.jpg")]) == {"a.xml": "a.jpg", "b.xml": "b.jpg"}
    assert matched(["x/a.JPEG"], ["y/a.xml"]) == {"y/a.xml": "x/a.JPEG"}
    assert matched(["IMG 1.JPG", "cafe\u0301.png"], ["img_1.xml", "caf\u00e9.xml"]) == {
        "img_1.xml": "IMG 1.JPG",
        "caf\u00e9.xml": "cafe\u0301.png",
    }
    assert matched(["a.jpg"], ["a.jpg.xml"]) == {"a.jpg.xml": "a.jpg"}
    assert matched(["a.jpg"], ["b.xml"]) == {}


def test_a_filename_helps_where_no_photo_has_the_name():
    assert matched(["a.jpg", "b.jpg"], [("1.xml", "B"), ("2.xml", "a.jpg")]) == {"1.xml": "b.jpg", "2.xml": "a.jpg"}
    # b.xml was copied from a.xml, and a.jpg has its own annotation.
    assert matched(["a.jpg"], ["a.xml", ("b.xml", "a.jpg")]) == {"a.xml": "a.jpg"}


def test_photos_of_one_name_are_told_apart():
    two = ["train/1.jpg", "test/1.jpg"]
    assert matched(two, ["train/1.xml", "test/1.xml"]) == {"train/1.xml": "train/1.jpg", "test/1.xml": "test/1.jpg"}
    assert matched(two, [("1.xml", "", "test")]) == {"1.xml": "test/1.jpg"}
    assert matched(two, ["1.xml"]) == {"1.xml": None}
    assert matched(["a.jpg", "a.png"], [("a.xml", "a.png")]) == {"a.xml": "a.png"}
    assert matched(["a.png", "a.jpg"], ["a.xml"]) == {"a.xml": "a.jpg"}
