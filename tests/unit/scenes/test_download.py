import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from worlds.web import serving

from tracklearn.download import RemoteFile
from tracklearn.errors import UserError
from tracklearn.scenes import download
from tracklearn.scenes.download import ARCHIVE, LISTS, PhotoList, fetch_indoor67
from tracklearn.scenes.split import listed_photos, split_photos
from tracklearn.settings.scenes import names_digest

TRAIN, TEST = ["a/1.jpg", "b/1.jpg"], ["a/2.jpg", "b/2.jpg"]


def jpeg(seed):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (64, 64, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


PHOTOS = {f"Images/{name}": jpeg(seed) for seed, name in enumerate([*TRAIN, *TEST, "a/unlisted.jpg"])}


def packed(files, *, link=None):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        if link:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)
    return buffer.getvalue()


@pytest.fixture
def fetch(tmp_path):
    """Fetch an archive of some files from a server of each file; by default, all is well."""

    def run(files=PHOTOS, *, archive=None, listed=(TRAIN, TEST), way="good", link=None, **options):
        content = packed(files, link=link) if archive is None else archive
        texts = ["\r\n".join(names).encode() for names in listed]
        with serving(texts[0]) as train, serving(texts[1]) as test, serving(content) as photos:
            lists = tuple(
                PhotoList(urls=(server.url("good", name),), names_digest=names_digest(names))
                for server, name, names in (
                    (train, "TrainImages.txt", options.pop("official", TRAIN)),
                    (test, "TestImages.txt", TEST),
                )
            )
            remote = RemoteFile(urls=(photos.url(way, "photos.tar"),), size=options.pop("size", len(content)))
            run.asked = photos.asked
            root = tmp_path / "root"
            return fetch_indoor67(
                root=root, archive=remote, lists=lists, retries=0, pause=0, stamp=tmp_path / "stamp.json", **options
            )

    return run


def test_photos_and_lists_are_fetched_checked_and_unpacked(fetch, tmp_path):
    root = tmp_path / "root"
    assert fetch() == {"unpacked": 5, "listed": 4}
    found = split_photos({"root": str(root)})
    assert [path.relative_to(root / "Images").as_posix() for path in found.train] == TRAIN
    assert found.test[0].read_bytes() == PHOTOS["Images/a/2.jpg"]
    assert not list((root / "archives").iterdir())
    unpacked = json.loads((tmp_path / "stamp.json").read_text())["unpacked"]
    assert len(unpacked) == 7
    photo = root / "Images/b/1.jpg"
    assert unpacked[str(photo)] == [photo.stat().st_size, photo.stat().st_mtime_ns]
    assert fetch() == {"unpacked": 0, "listed": 0}
    assert fetch.asked == []


def test_an_archive_that_the_user_has_is_not_downloaded(fetch, tmp_path):
    (tmp_path / "root/archives").mkdir(parents=True)
    (tmp_path / "root/archives/photos.tar").write_bytes(packed(PHOTOS))
    assert fetch()["unpacked"] == 5
    assert fetch.asked == []


@pytest.mark.parametrize(("name", "share"), [("photos.tar", 1), ("photos.tar.part", 0.5)])
def test_what_lies_there_of_the_archive_needs_no_further_space(fetch, tmp_path, monkeypatch, name, share):
    content = packed(PHOTOS)
    free = int((2 - share) * len(content))
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with pytest.raises(UserError, match=r"free space first"):
        fetch()
    (tmp_path / "root/archives" / name).write_bytes(content[: int(share * len(content))])
    assert fetch()["unpacked"] == 5


def test_nothing_is_unpacked_beside_categories_of_the_user(fetch, tmp_path):
    (tmp_path / "root/my kitchen").mkdir(parents=True)
    with pytest.raises(UserError, match=r"root, which has folders of its own \(my kitchen\); .*scenes.download: false"):
        fetch()
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["my kitchen"]
    assert fetch.asked == []


def test_an_interrupted_download_is_resumed(fetch, tmp_path):
    with pytest.raises(UserError, match=r"the connection ended after .* bytes"):
        fetch(way="drops")
    assert not (tmp_path / "root/TrainImages.txt").exists()
    assert fetch()["unpacked"] == 5
    assert fetch.asked[0][1] != "bytes=0-"


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({"Images/../../evil.jpg": b"x"}, {}, "leads out of the archive's folder; do not use this file"),
        ({"/etc/evil.jpg": b"x"}, {}, "leads out of the archive's folder"),
        (PHOTOS, {"link": "Images/a/3.jpg"}, "is not a regular file; do not use this archive"),
        ({"holiday/a.jpg": b"x"}, {}, "no photo Images/category/file in it; delete it"),
        (PHOTOS, {"archive": packed(PHOTOS)[:9000]}, r"photos\.tar: cannot be unpacked .*; delete it and download it"),
        (PHOTOS, {"archive": b"<html>moved</html>"}, r"photos\.tar: cannot be unpacked"),
        (
            PHOTOS | {"Images/b/2.jpg": jpeg(3)[:-400]},
            {},
            r"damaged \(.*b/2\.jpg: cannot be decoded .*delete this",
        ),
        ({name: PHOTOS[name] for name in list(PHOTOS)[:3]}, {}, r"damaged \(.*b/2\.jpg is not in .*\(1 of 2 photos"),
        (PHOTOS, {"way": "gone"}, r"photos\.tar could not be downloaded in 1 attempts .*404"),
        (PHOTOS, {"size": 10}, r"photos\.tar could not be downloaded .*more than the expected 10 bytes"),
        (
            PHOTOS,
            {"listed": (TRAIN[:1], TEST)},
            r"not the official list of photos \(1 photos\); try again, or put Train",
        ),
        (PHOTOS, {"size": 10**16}, r"root: .* GB free, but MIT Indoor-67 needs 20000000\.0 GB; free space first"),
    ],
)
def test_what_is_damaged_or_unsafe_leaves_no_complete_folder(fetch, tmp_path, files, options, message):
    with pytest.raises(UserError, match=message) as raised:
        fetch(files, **options)
    assert "\n" not in str(raised.value)
    root = tmp_path / "root"
    assert not (root / "TrainImages.txt").exists()
    assert not (tmp_path / "stamp.json").exists()
    assert not (tmp_path / "evil.jpg").exists() and not Path("/etc/evil.jpg").exists()
    assert not [path for path in root.rglob("*") if path.is_symlink() or path.name.startswith(".unpack")]


def test_a_wrong_list_is_fetched_anew(fetch):
    with pytest.raises(UserError, match="not the official list"):
        fetch(listed=([*TRAIN, "a/3.jpg"], TEST))
    assert fetch()["listed"] == 4


def test_the_official_lists_have_the_digests_that_are_expected(real_data):
    for name, expected in zip(("train", "test"), LISTS, strict=True):
        names = listed_photos(real_data / f"splits/indoor67_{name}.txt")
        assert names_digest(names) == expected.names_digest
        assert names_digest(names[::-1]) == expected.names_digest
    assert [each.name for each in LISTS] == ["TrainImages.txt", "TestImages.txt"]
    assert ARCHIVE.size % tarfile.RECORDSIZE == 0  # as of every tar file
    assert replace(ARCHIVE, size=None).matches(Path(__file__))
