"""Photos and annotations as people have them, rewritten as a clean VOCdevkit, with a page on what was mended.

python -m tracklearn.voc.adopt --images my_photos --annotations my_photos --out VOCdevkit
"""

import argparse
import csv
import hashlib
import json
import os
import re
import shutil
import sys
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np

from tracklearn.errors import UserError
from tracklearn.files import atomic, disk_errors_explained
from tracklearn.voc.adopted_page import Labelled, adopted_page, outcomes
from tracklearn.voc.foreign.folders import Annotation, Found, find_files, parse_annotations, unmatched
from tracklearn.voc.foreign.matching import match_photos
from tracklearn.voc.foreign.objects import OTHER_SIZE, SCALED, TURNED, Object, class_spellings, read_objects, scaled
from tracklearn.voc.foreign.photo import encoded, read_foreign_photo, shrunk
from tracklearn.voc.foreign.remarks import DROPPED, KEPT, REPAIRED, Remark
from tracklearn.voc.image_sets import voc_folder
from tracklearn.voc.stratified import divide

TABLE, PAGE = "adopted.tsv", "adopted.html"
IMAGE_SETS = ("train", "val", "trainval", "test")


def adopt(
    *,
    images: str | Path,
    annotations: str | Path,
    out: str | Path,
    split: float = 0.5,
    seed: int = 0,
    year: int = 2012,
    longest_side: int | None = None,
) -> tuple[list[Labelled], dict[str, list[str]], list[Remark]]:
    """Rewrite photos and their XML annotations as a VOCdevkit that every stage reads.

    Both folders are searched with their subfolders, and nothing in them is changed. `foreign.matching` says how the
    photo of an annotation is found. An ordinary JPEG is copied byte for byte. A photo in another format, one that EXIF
    turns, and one that a strict decoder refuses are encoded again. Photos with the same pixels are taken once, so that
    no test photo is trained on. Boxes are turned with their photo, scaled if the annotation states another size of the
    same proportions, clipped to the photo, and dropped if they have no area. A photo is dropped if it has no
    annotation, or if no box of its annotation can be used; an annotation without any object is kept.

    Args:
        images: folder of the photos (`files.PHOTO_SUFFIXES`, in lower or upper case).
        annotations: folder of the XML files, which may be the same.
        out: folder for `VOC{year}`, `adopted.tsv` (a row for each file and for each thing that was mended in it) and
            the page `adopted.html`. An earlier result of this function is replaced.
        split: share of the photos that goes to trainval, above 0 and below 1; half of trainval goes to train.
        seed: seed of the division, which puts each class on both sides where it can (`stratified`), and of the photos
            on the page.
        year: of the folder `VOC{year}`.
        longest_side: a photo with a longer side is scaled down to it, in pixels, and encoded again. VOC's photos have
            500; selective search takes more than a minute of one core for a photo of 4,600.

    Returns:
        The adopted photos, the image ids by set, and the rows of `adopted.tsv`.

    Raises:
        UserError: a folder is missing, lies in `out` or contains it; `out` holds something else; `split` or
            `longest_side` is out of range; or fewer than two photos can be used, in which case table and page are
            written all the same.
    """
    images, annotations, out = Path(images), Path(annotations), Path(out)
    if not 0 < split < 1:
        raise UserError(f"split is {split}; expected a share above 0 and below 1, such as 0.5")
    if longest_side is not None and longest_side < 1:
        raise UserError(f"longest_side is {longest_side}; expected a number of pixels, such as 500")
    _check_input(images, out)
    _check_input(annotations, out)
    _check_output(out, year)
    photos, xml, remarks = find_files(images, annotations)
    parsed, unreadable = parse_annotations(xml)
    matches = match_photos(list(photos), {file: annotation.stated for file, annotation in parsed.items()})
    remarks += [*unreadable, *unmatched(photos, xml, parsed, matches)]

    building = out / f".VOC{year}.tmp"
    shutil.rmtree(building, ignore_errors=True)
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (building / folder).mkdir(parents=True)
    spellings = class_spellings(annotation.root for annotation in parsed.values())
    adoption = _Adoption(building, year, longest_side, spellings, remarks)
    for photo, file in sorted((match.photo, file) for file, match in matches.items() if match.photo):
        adoption.add(photos[photo], photo, xml[file], parsed[file], matches[file].how)
    image_sets = _image_sets(adoption.labelled, split, seed)
    for name, ids in image_sets.items():
        lines = "".join(f"{image_id}\n" for image_id in ids)
        (building / f"ImageSets/Main/{name}.txt").write_text(lines, encoding="utf-8")

    remarks = sorted(remarks)
    devkit = voc_folder(out, year)
    # In this order, a run that is killed leaves nothing that the next run refuses to replace.
    shutil.rmtree(devkit, ignore_errors=True)
    with atomic(out / TABLE) as temporary, open(temporary, "w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, delimiter="\t", lineterminator="\n")
        writer.writerows([Remark._fields, *remarks])
    adopted_page(
        page=out / PAGE,
        devkit=out.resolve().name,
        photos=building / "JPEGImages",
        labelled=adoption.labelled,
        image_sets=image_sets,
        remarks=remarks,
        seed=seed,
    )
    if len(adoption.labelled) < 2:
        shutil.rmtree(building)
        reasons = Counter(remark.reason for remark in remarks if remark.outcome == DROPPED)
        told = ", ".join(f"{count} x {reason}" for reason, count in reasons.most_common(3)) or "there is no photo"
        raise UserError(
            f"{images}: {len(adoption.labelled)} of {len(photos)} photos can be used ({told}); expected at least 2; "
            f"{out / PAGE} names every file"
        )
    building.replace(devkit)
    return adoption.labelled, image_sets, remarks


class _Adoption:
    """Photos and annotations on their way into a VOC folder, one pair after another."""

    def __init__(
        self, folder: Path, year: int, longest_side: int | None, spellings: Mapping[str, str], remarks: list[Remark]
    ) -> None:
        self.folder, self.year, self.longest_side = folder, year, longest_side
        self.spellings, self.remarks = spellings, remarks
        self.labelled: list[Labelled] = []
        self.by_pixels: dict[str, tuple[str, list[Object]]] = {}  # by digest: the file, and its objects as it is
        self.taken: set[str] = set()

    def add(self, photo: Found, below: PurePosixPath, xml: Found, annotation: Annotation, how: str) -> None:
        """Write a photo and its annotation, or say why they are dropped."""
        repairs: list[tuple[str, str, str]] = []
        if how:
            repairs.append((xml.shown, "matched by another name", f"{photo.shown}, {how}"))
        if annotation.mended:
            repairs.append((xml.shown, "its XML is not well-formed or in another encoding", annotation.mended))
        try:
            decoded = read_foreign_photo(photo.path)
        except UserError as error:
            # The report says nothing of where the folder lies.
            return self._drop(photo, xml, "it cannot be decoded", str(error).replace(str(photo.path), photo.shown))
        try:
            objects = read_objects(
                annotation.root,
                decoded,
                spellings=self.spellings,
                repaired=lambda reason, detail: repairs.append((xml.shown, reason, detail)),
            )
        except UserError as error:
            return self._drop(xml, photo, "its boxes cannot be used", str(error))
        digest = hashlib.sha256(repr(decoded.size).encode() + decoded.pixels.tobytes()).hexdigest()
        twin, twin_objects = self.by_pixels.setdefault(digest, (photo.shown, objects))
        if twin != photo.shown:
            other = "" if objects == twin_objects else ", whose objects differ"
            return self._drop(photo, xml, "it has the pixels of another photo", twin + other)
        image_id = self._image_id(below)
        if decoded.repair:
            repairs.append((photo.shown, *decoded.repair))
        size, jpeg = decoded.size, decoded.jpeg
        if self.longest_side and max(size) > self.longest_side:
            pixels = shrunk(decoded.pixels, self.longest_side)
            size, jpeg = pixels.shape[1::-1], encoded(pixels)
            objects = [found._replace(box=scaled(found.box, decoded.size, size)) for found in objects]
            repairs.append(
                (photo.shown, "scaled down", f"{decoded.size[0]} x {decoded.size[1]} to {size[0]} x {size[1]}")
            )
        if f"{image_id}.jpg" != below.name:
            repairs.append((photo.shown, "renamed", f"{image_id}.jpg"))
        untouched = {photo.shown, xml.shown} - {file for file, _, _ in repairs}
        self.remarks += [Remark(file, KEPT, "", "", image_id) for file in untouched]
        self.remarks += [
            Remark(file, REPAIRED, reason, detail, image_id) for file, reason, detail in dict.fromkeys(repairs)
        ]
        check = [reason for _, reason, _ in repairs if reason in (TURNED, SCALED, OTHER_SIZE)]
        if decoded.header.orientation > 1:
            check = check or ["turned upright"]
        labelled = Labelled(image_id, size, objects, ", ".join(check))
        self.labelled.append(labelled)
        with disk_errors_explained(self.folder):
            (self.folder / f"JPEGImages/{image_id}.jpg").write_bytes(jpeg)
            (self.folder / f"Annotations/{image_id}.xml").write_bytes(_annotation(labelled, self.year))
        return None

    def _drop(self, culprit: Found, partner: Found, reason: str, detail: str) -> None:
        self.remarks.append(Remark(culprit.shown, DROPPED, reason, detail))
        self.remarks.append(Remark(partner.shown, DROPPED, "its partner is dropped", culprit.shown))

    def _image_id(self, below: PurePosixPath) -> str:
        """An id in ASCII letters, digits, `_` and `-`, distinct for systems that ignore case as well."""
        letters = unicodedata.normalize("NFKD", below.stem).encode("ascii", "ignore").decode()
        image_id = re.sub(r"[^A-Za-z0-9_-]+", "_", letters)[:80].strip("_-") or "photo"
        if image_id.lower() in self.taken:
            image_id += f"-{hashlib.sha256(os.fsencode(below)).hexdigest()[:8]}"
        self.taken.add(image_id.lower())
        return image_id


def _check_input(folder: Path, out: Path) -> None:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; the working folder is {Path.cwd()}")
    inner, outer = folder.resolve(), out.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise UserError(f"{out}: this folder and {folder} lie in one another; choose another folder to write")


def _check_output(out: Path, year: int) -> None:
    """Refuse a folder that holds anything but an earlier result."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: this is a file; expected the name of a folder to write")
    devkit = voc_folder(out, year)
    own = {devkit / f"ImageSets/Main/{name}.txt" for name in IMAGE_SETS}
    if (out / TABLE).is_file():
        with open(out / TABLE, encoding="utf-8", newline="") as table:
            ids = {row.get("image_id") for row in csv.DictReader(table, delimiter="\t")}
        own |= {devkit / path for name in ids for path in (f"JPEGImages/{name}.jpg", f"Annotations/{name}.xml")}
    # Hidden files stay: they are the system's, or what a killed run left.
    top = {devkit.name, TABLE, PAGE}
    foreign = [path for path in out.glob("*") if path.name not in top and not path.name.startswith(".")]
    foreign += [path for path in devkit.rglob("*") if path not in own and (path.is_symlink() or not path.is_dir())]
    if foreign:
        raise UserError(
            f"{out}: an earlier run has not written {min(foreign).relative_to(out)}, which lies there; "
            "choose a new folder, or one that this command made"
        )


def _image_sets(labelled: Sequence[Labelled], split: float, seed: int) -> dict[str, list[str]]:
    classes = [{found.name for found in photo.objects} for photo in labelled]
    ids = np.array([photo.image_id for photo in labelled], object)
    in_trainval = divide(classes, split, seed=seed)
    chosen = np.flatnonzero(in_trainval)
    in_train = divide([classes[index] for index in chosen], 0.5, seed=seed)
    members = ids[chosen[in_train]], ids[chosen[~in_train]], ids[chosen], ids[~in_trainval]
    return {name: sorted(of_set) for name, of_set in zip(IMAGE_SETS, members, strict=True)}


def _annotation(photo: Labelled, year: int) -> bytes:
    """VOC's XML."""

    def add(parent: ElementTree.Element, tag: str, text: object = None) -> ElementTree.Element:
        element = ElementTree.SubElement(parent, tag)
        element.text = None if text is None else str(text)
        return element

    root = ElementTree.Element("annotation")
    add(root, "folder", f"VOC{year}")
    add(root, "filename", f"{photo.image_id}.jpg")
    size = add(root, "size")
    for tag, pixels in zip(("width", "height", "depth"), (*photo.size, 3), strict=True):
        add(size, tag, pixels)
    add(root, "segmented", 0)
    for found in photo.objects:
        element = add(root, "object")
        add(element, "name", found.name)
        add(element, "pose", found.pose)
        add(element, "truncated", int(found.truncated))
        add(element, "difficult", int(found.difficult))
        box = add(element, "bndbox")
        for tag, corner in zip(("xmin", "ymin", "xmax", "ymax"), found.box, strict=True):
            add(box, tag, f"{round(corner, 2):.10g}")
    ElementTree.indent(root, "\t")
    return ElementTree.tostring(root, encoding="utf-8") + b"\n"


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tracklearn.voc.adopt", description="Rewrite photos and XML annotations as a clean VOCdevkit."
    )
    parser.add_argument("--images", required=True, help="folder of the photos, which stays as it is")
    parser.add_argument("--annotations", required=True, help="folder of the XML files, which may be the same")
    parser.add_argument("--out", required=True, help="folder to write, such as my_photos/VOCdevkit")
    parser.add_argument("--split", type=float, default=0.5, help="share of the photos to train on (default: 0.5)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the division (default: 0)")
    parser.add_argument("--year", type=int, default=2012, help="of the folder VOC{YEAR} (default: 2012)")
    parser.add_argument(
        "--longest-side", type=int, help="scale larger photos down to so many pixels, such as VOC's 500"
    )
    given = parser.parse_args(arguments)
    try:
        labelled, image_sets, remarks = adopt(**vars(given))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    files = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes(remarks).items()))
    sets = ", ".join(f"{len(image_sets[name])} {name}" for name in ("trainval", "test"))
    names = sorted({found.name for photo in labelled for found in photo.objects})
    print(f"{voc_folder(given.out, given.year)}: {sets} photos; files: {files}; see {Path(given.out) / PAGE}")
    print(f"classes: {json.dumps(names, ensure_ascii=False)}")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
