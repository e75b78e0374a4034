"""The two folders that a user gives: which files are photos and annotations, and why the others are not used."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from xml.etree import ElementTree

from tracklearn.errors import UserError
from tracklearn.files import is_photo
from tracklearn.voc.annotation_xml import parse_leniently
from tracklearn.voc.foreign.matching import Match, Stated, loose
from tracklearn.voc.foreign.remarks import DROPPED, Remark


class Found(NamedTuple):
    """A file of an input folder."""

    path: Path
    shown: str  # its name in the report, which does not depend on where the folder lies


class Annotation(NamedTuple):
    """A parsed annotation."""

    root: ElementTree.Element
    mended: str  # how its text was read, if a strict parser refuses it

    @property
    def stated(self) -> Stated:
        """What it says about its photo."""
        filename = (self.root.findtext("filename") or "").strip()
        return Stated(re.split(r"[/\\]", filename)[-1], (self.root.findtext("folder") or "").strip())


Files = dict[PurePosixPath, Found]  # by the path below the input folder


def find_files(images: Path, annotations: Path) -> tuple[Files, Files, list[Remark]]:
    """The photos of the one folder, the XML files of the other, and remarks on all other files."""
    photos = {below: file for below, file in _files(images).items() if is_photo(file.path)}
    xml = {below: file for below, file in _files(annotations).items() if _is_xml(file.path)}
    used = {file.path for file in (*photos.values(), *xml.values())}
    rest = {file.path: file.shown for folder in (annotations, images) for file in _files(folder).values()}
    remarks = []
    for path, shown in rest.items():
        if path not in used:
            hidden = path.name.startswith(".")
            reason = "a hidden file" if hidden else "neither a photo of --images nor an XML file of --annotations"
            remarks.append(Remark(shown, DROPPED, reason))
    return photos, xml, remarks


def _is_xml(path: Path) -> bool:
    return path.suffix.lower() == ".xml" and not path.name.startswith(".")


def _files(folder: Path) -> Files:
    """All files below a folder; hidden folders, such as `.git`, are passed over."""
    top = folder.resolve()
    files: Files = {}
    for parent, folders, names in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(parent, name) for name in names):
            below = PurePosixPath(path.relative_to(top).as_posix())
            # A name whose bytes are not UTF-8 is shown with question marks.
            files[below] = Found(path, f"{top.name}/{below}".encode(errors="replace").decode())
    return dict(sorted(files.items()))


def parse_annotations(xml: Files) -> tuple[dict[PurePosixPath, Annotation], list[Remark]]:
    """The annotations among XML files, and remarks on the other files."""
    parsed: dict[PurePosixPath, Annotation] = {}
    remarks = []
    for below, file in xml.items():
        try:
            root, mended = parse_leniently(file.path.read_bytes())
            if root.tag != "annotation":
                raise UserError(f"its outermost element is <{root.tag}>")
            parsed[below] = Annotation(root, mended)
        except UserError as error:
            remarks.append(Remark(file.shown, DROPPED, "not a VOC annotation", str(error)))
        except OSError as error:
            remarks.append(Remark(file.shown, DROPPED, "it cannot be read", error.strerror or ""))
    return parsed, remarks


def unmatched(
    photos: Files,
    xml: Files,
    parsed: Mapping[PurePosixPath, Annotation],
    matches: Mapping[PurePosixPath, Match],
) -> Iterator[Remark]:
    """Remarks on photos without an annotation, and on annotations without a photo."""
    owners = {match.photo: xml[file].shown for file, match in matches.items() if match.photo}
    owned = defaultdict(list)
    for photo in owners:
        owned[loose(photo.name)].append(photo)
    unclear = {photo for match in matches.values() if not match.photo for photo in match.candidates}
    for photo in photos.keys() - owners.keys():
        twins = ", ".join(sorted(photos[twin].shown for twin in owned[loose(photo.name)]))
        reason = "no annotation has its name"
        if photo in unclear:
            reason = "an annotation may belong to any of several photos"
        elif twins:
            reason = "another photo of its name has the annotation"
        yield Remark(photos[photo].shown, DROPPED, reason, twins)
    for file, annotation in parsed.items():
        if file not in matches:
            filename = annotation.stated.filename
            rivals = sorted(owners[photo] for name in {loose(file.stem), loose(filename)} for photo in owned[name])
            reason = "its photo has another annotation" if rivals else "no photo has its name"
            yield Remark(xml[file].shown, DROPPED, reason, ", ".join(rivals) or f"<filename> is {filename!r}")
        elif matches[file].photo is None:
            several = ", ".join(photos[photo].shown for photo in matches[file].candidates)
            yield Remark(xml[file].shown, DROPPED, "an annotation may belong to any of several photos", several)
