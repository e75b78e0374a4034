"""Annotations in XML: read as VOC's own, and adopted with their photos."""

from pathlib import Path
from random import Random

import numpy as np
import simplejpeg
from worlds.devkit import HEIGHT, WIDTH, annotation

from fuzz.mutations import STRAY, TEXT, WORDS
from tracklearn.errors import UserError
from tracklearn.voc.adopt import adopt
from tracklearn.voc.annotations import Voc

CLASSES = "cat", "dog"
SECRET = "this text stands in another file"
CORNERS = ["xmin", "ymin", "xmax", "ymax", "width", "height", "difficult", "name", "filename"]


def with_entities(data: bytes, rng: Random) -> bytes:
    """A document type in front: entities that grow without end, or that stand for another file."""
    levels = rng.choice((3, 10, 30))
    growing = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(levels))
    declared = rng.choice(
        (f'<!ENTITY e0 "ha">{growing}', '<!ENTITY x SYSTEM "secret.txt">', '<!ENTITY % p SYSTEM "secret.txt"> %p;')
    )
    use = f"&e{levels};" if "e0" in declared else "&x;"
    return f"<!DOCTYPE annotation [{declared}]>".encode() + data.replace(b"<name>", b"<name>" + use.encode(), 1)


def deep(data: bytes, rng: Random) -> bytes:
    """Elements within elements."""
    depth = rng.choice((50, 5_000, 100_000))
    inner = b"<object>" * depth + b"</object>" * rng.choice((depth, 0))
    return data.replace(b"</annotation>", inner + b"</annotation>")


def value(data: bytes, rng: Random) -> bytes:
    """A corner, a size, a name or a file's name becomes another word."""
    tag = rng.choice(CORNERS).encode()
    start = data.find(b"<" + tag + b">")
    end = data.find(b"</" + tag + b">", start)
    if start < 0 or end < 0:
        return data
    word = rng.choice(
        (*WORDS, *STRAY, b"../../../etc/x", b"/abs", b"-", b"&lt;script&gt;", b"<a/>", b"&#0;", b"&nope;")
    )
    return data[: start + len(tag) + 2] + word + data[end:]


EDITS = {".xml": [*TEXT, value, value, value, with_entities, deep]}


def write_samples(folder: Path) -> None:
    rng = np.random.default_rng(5)
    for parent in ("VOC/VOC2012/JPEGImages", "VOC/VOC2012/Annotations"):
        (folder / parent).mkdir(parents=True)
    for index, encoding in enumerate(("utf-8", "utf-16", "latin-1", "gb2312")):
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        (folder / f"VOC/VOC2012/JPEGImages/{index}.jpg").write_bytes(simplejpeg.encode_jpeg(pixels))
        text = annotation([("cat", 3, 4, 50, 60, False), ("dog", 70, 5, 110, 80, True)])
        text = text.replace("<annotation>", f"<annotation><folder>a</folder><filename>{index}.jpg</filename>")
        declared = f'<?xml version="1.0" encoding="{encoding}"?>{text}'
        (folder / f"VOC/VOC2012/Annotations/{index}.xml").write_bytes(declared.encode(encoding))
    (folder / "VOC/VOC2012/Annotations/secret.txt").write_text(SECRET)
    (folder / "secret.txt").write_text(SECRET)


def mutated(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.xml"))


def read(folder: Path, name: str) -> None:
    photos = Path("VOC/VOC2012/JPEGImages")
    labelled, sets, _remarks = adopt(images=photos, annotations=Path(name).parent, out="adopted")
    assert len(labelled) >= 3 and {file.name for file in Path().iterdir()} == {"VOC", "adopted", "secret.txt"}
    assert sorted(sets["trainval"] + sets["test"]) == sorted(photo.image_id for photo in labelled)
    written = Voc("adopted", classes=sorted({found.name for photo in labelled for found in photo.objects}))
    for photo in labelled:
        _check(written.objects(photo.image_id).boxes, written.size(photo.image_id))
    pages = [path.read_text() for path in Path("adopted").rglob("*") if path.suffix in (".xml", ".html", ".tsv")]
    assert not any(SECRET in page for page in pages)
    try:
        objects = Voc("VOC", classes=CLASSES).objects(Path(name).stem)
    except UserError as error:
        assert SECRET not in str(error)
        raise
    _check(objects.boxes, (WIDTH, HEIGHT))


def _check(boxes: np.ndarray, size: tuple[int, int]) -> None:
    assert np.isfinite(boxes).all() and (boxes >= 0).all() and (boxes[:, :2] <= boxes[:, 2:]).all()
    assert (boxes[:, 2:] <= np.array(size) - 1).all()
