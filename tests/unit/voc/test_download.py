import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.voc.download import ARCHIVES, Archive, download, fetch_voc, unpack
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


class Server(ThreadingHTTPServer):
    """Serves CONTENT in a way that the path names: /good, /drops (half of the bytes), /lies, /long, /norange, /gone."""

    daemon_threads = True


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path.split("/")[1], self.headers.get("Range")))
        way = self.path.split("/")[1]
        if way == "gone":
            self.send_error(404)
            return
        start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        content = bytes(len(CONTENT)) if way == "lies" else CONTENT
        if way == "long":
            content += b"more"
        start = 0 if way == "norange" else start
        self.send_response(200 if way == "norange" else 206)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = start + (len(content) - start) // 2 if way == "drops" else len(content)
        self.wfile.write(content[start:stop])

    def log_message(self, *_):
        """Log nothing."""


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as running:
        running.asked = []
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield running
        running.shutdown()


def archive(server, *ways, content=CONTENT):
    urls = tuple(f"http://127.0.0.1:{server.server_port}/{way}/VOC.tar" for way in ways)
    return Archive(2012, False, urls, len(content), hashlib.sha256(content).hexdigest())


def test_archive_is_downloaded_checked_and_unpacked(server, tmp_path):
    metrics = fetch_voc(root=tmp_path, year=2012, archives=[archive(server, "good")], pause=0)
    assert read_image_set(tmp_path, year=2012, image_set="train") == ["a"]
    assert (tmp_path / "VOC2012/JPEGImages/a.jpg").read_bytes() == FILES["VOCdevkit/VOC2012/JPEGImages/a.jpg"]
    assert not (tmp_path / "VOC2012/SegmentationClass").exists()
    assert not list((tmp_path / "archives").iterdir())
    assert metrics == {"archives": 1, "files": 4, "bytes": len(CONTENT)}


def test_interrupted_download_is_resumed(server, tmp_path):
    path = download(archive(server, "drops", "drops", "good"), tmp_path, pause=0)
    assert path.read_bytes() == CONTENT
    ranges = [int(asked.removeprefix("bytes=").rstrip("-")) for _, asked in server.asked]
    assert ranges == [0, len(CONTENT) // 2, len(CONTENT) // 2 + (len(CONTENT) - len(CONTENT) // 2) // 2]


def test_partial_file_of_an_earlier_run_is_resumed(server, tmp_path):
    (tmp_path / "VOC.tar.part").write_bytes(CONTENT[:100_000])
    assert download(archive(server, "good"), tmp_path, pause=0).read_bytes() == CONTENT
    assert server.asked == [("good", "bytes=100000-")]


def test_a_server_without_ranges_sends_the_whole_file(server, tmp_path):
    (tmp_path / "VOC.tar.part").write_bytes(b"x" * 1000)
    assert download(archive(server, "norange"), tmp_path, pause=0).read_bytes() == CONTENT


def test_wrong_contents_are_deleted_and_the_mirror_is_asked(server, tmp_path):
    assert download(archive(server, "lies", "good"), tmp_path, pause=0).read_bytes() == CONTENT
    assert [way for way, _ in server.asked] == ["lies", "good"]


@pytest.mark.parametrize(
    ("way", "message"),
    [("gone", "HTTP Error 404"), ("lies", "SHA-256 is not"), ("long", f"more than the expected {len(CONTENT)} bytes")],
)
def test_failure_names_the_cause_and_the_remedy(server, tmp_path, way, message):
    with pytest.raises(
        UserError, match=rf"VOC\.tar could not be downloaded in 2 attempts .*{message}.* put the file into"
    ):
        download(archive(server, way), tmp_path, retries=1, pause=0)
    assert not (tmp_path / "VOC.tar").exists()


def test_complete_archive_is_not_downloaded_again(server, tmp_path):
    (tmp_path / "VOC.tar").write_bytes(CONTENT)
    download(archive(server, "good"), tmp_path)
    assert server.asked == []


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
        unpack(tmp_path / "bad.tar", tmp_path / "root", year=2012)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bad.tar", "root"]


def test_truncated_archive_leaves_no_list_of_images(tmp_path):
    (tmp_path / "cut.tar").write_bytes(CONTENT[:200_000])
    with pytest.raises(UserError, match=r"cut\.tar: cannot be unpacked"):
        unpack(tmp_path / "cut.tar", tmp_path, year=2012)
    assert not (tmp_path / "VOC2012").exists()


def test_too_small_a_disk_is_an_error_before_the_download(server, tmp_path):
    huge = Archive(2012, False, archive(server, "good").urls, 10**16, "")
    with pytest.raises(UserError, match=r"but VOC2012 needs 20000000\.0 GB; free space first"):
        fetch_voc(root=tmp_path, year=2012, archives=[huge])
    assert server.asked == []


def test_each_year_has_an_archive_with_and_one_without_the_test_images():
    known = {(one.year, one.holds_test) for one in ARCHIVES}
    assert known == {(2007, False), (2007, True), (2012, False), (2012, True)}
    assert all(one.urls[0].endswith(one.name) and len(one.sha256) == 64 for one in ARCHIVES)


def test_unknown_year_is_an_error(tmp_path):
    with pytest.raises(UserError, match="VOC2010: no archive is known; expected 2007 or 2012"):
        fetch_voc(root=tmp_path, year=2010)
