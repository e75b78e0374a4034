import hashlib
import io
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from worlds.web import serving

from tracklearn.errors import UserError
from tracklearn.voc.download import ARCHIVES, Archive, fetch_voc, unpack_voc
from tracklearn.voc.image_sets import read_image_set

FILES = {
    "VOCdevkit/VOC2012/ImageSets/Main/train.txt": b"a\n",
    "VOCdevkit/VOC2012/ImageSets/Main/val.txt": b"b\n",
    "VOCdevkit/VOC2012/Annotations/a.xml": b"<annotation/>",
    "VOCdevkit/VOC2012/JPEGImages/a.jpg": np.random.default_rng(0).bytes(300_000),
    "VOCdevkit/VOC2012/SegmentationClass/a.png": b"not read",
}


def packed(files, *, links=()):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return buffer.getvalue()


CONTENT = packed(FILES)


@pytest.fixture
def server():
    with serving(CONTENT) as running:
        yield running


def archive(server, *ways, content=CONTENT):
    urls = tuple(server.url(way, "VOC.tar") for way in ways)
    digest = hashlib.sha256(content).hexdigest()
    return Archive(year=2012, holds_test=False, urls=urls, size=len(content), digest=digest)


def test_archive_is_downloaded_checked_and_unpacked(server, tmp_path):
    metrics = fetch_voc(root=tmp_path, year=2012, archives=[archive(server, "good")], pause=0)
    assert read_image_set(tmp_path, year=2012, image_set="train") == ["a"]
    assert (tmp_path / "VOC2012/JPEGImages/a.jpg").read_bytes() == FILES["VOCdevkit/VOC2012/JPEGImages/a.jpg"]
    assert not (tmp_path / "VOC2012/SegmentationClass").exists()
    assert not list((tmp_path / "archives").iterdir())
    assert metrics == {"archives": 1, "files": 4, "bytes": len(CONTENT)}


@pytest.mark.parametrize(
    ("files", "links", "message"),
    [
        ({"VOCdevkit/VOC2012/JPEGImages/../../../../evil.jpg": b"x"}, (), "leads out of the archive's folder"),
        ({"/etc/evil": b"x"}, (), "leads out of the archive's folder"),
        ({}, [("VOCdevkit/VOC2012/JPEGImages/a.jpg", "/etc/passwd")], "is not a regular file"),
        ({"holiday/a.jpg": b"x"}, (), "no file of VOCdevkit/VOC2012 in it"),
    ],
)
def test_unsafe_and_foreign_archives_are_refused(tmp_path, files, links, message):
    (tmp_path / "root").mkdir()
    (tmp_path / "bad.tar").write_bytes(packed(files, links=links))
    with pytest.raises(UserError, match=message):
        unpack_voc(tmp_path / "bad.tar", tmp_path / "root", year=2012)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bad.tar", "root"]


def test_truncated_archive_leaves_no_list_of_images(tmp_path):
    (tmp_path / "cut.tar").write_bytes(CONTENT[:200_000])
    with pytest.raises(UserError, match=r"cut\.tar: cannot be unpacked"):
        unpack_voc(tmp_path / "cut.tar", tmp_path, year=2012)
    assert not (tmp_path / "VOC2012").exists()


def test_too_small_a_disk_is_an_error_before_the_download(server, tmp_path):
    huge = replace(archive(server, "good"), size=10**16)
    with pytest.raises(UserError, match=r"but VOC2012 needs 20000000\.0 GB; free space first"):
        fetch_voc(root=tmp_path, year=2012, archives=[huge])
    assert server.asked == []


def test_each_year_has_an_archive_with_and_one_without_the_test_images():
    known = {(one.year, one.holds_test) for one in ARCHIVES}
    assert known == {(2007, False), (2007, True), (2012, False), (2012, True)}
    assert all(one.urls[0].endswith(one.name) and len(one.digest) == 64 for one in ARCHIVES)


def test_unknown_year_is_an_error(tmp_path):
    with pytest.raises(UserError, match="VOC2010: no archive is known; expected 2007 or 2012"):
        fetch_voc(root=tmp_path, year=2010)
