import hashlib

import numpy as np
import pytest
from worlds.web import serving

from tracklearn.download import RemoteFile, download
from tracklearn.errors import UserError

CONTENT = np.random.default_rng(0).bytes(300_001)


@pytest.fixture
def server():
    with serving(CONTENT) as running:
        yield running


def remote(server, *ways, **changes):
    given = {"size": len(CONTENT), "digest": hashlib.sha256(CONTENT).hexdigest()} | changes
    return RemoteFile(urls=tuple(server.url(way, "net.bin") for way in ways), **given)


def test_interrupted_download_is_resumed(server, tmp_path):
    path = download(remote(server, "drops", "drops", "good"), tmp_path, pause=0)
    assert path.read_bytes() == CONTENT
    ranges = [int(asked.removeprefix("bytes=").rstrip("-")) for _, asked in server.asked]
    assert ranges == [0, len(CONTENT) // 2, len(CONTENT) // 2 + (len(CONTENT) - len(CONTENT) // 2) // 2]


def test_partial_file_of_an_earlier_run_is_resumed(server, tmp_path):
    (tmp_path / "net.bin.part").write_bytes(CONTENT[:100_000])
    assert download(remote(server, "good"), tmp_path, pause=0).read_bytes() == CONTENT
    assert server.asked == [("good", "bytes=100000-")]


def test_a_server_without_ranges_sends_the_whole_file(server, tmp_path):
    (tmp_path / "net.bin.part").write_bytes(b"x" * 1000)
    assert download(remote(server, "norange"), tmp_path, pause=0).read_bytes() == CONTENT


def test_wrong_contents_are_deleted_and_the_mirror_is_asked(server, tmp_path):
    assert download(remote(server, "lies", "good"), tmp_path, pause=0).read_bytes() == CONTENT
    assert [way for way, _ in server.asked] == ["lies", "good"]


@pytest.mark.parametrize(
    ("way", "message"),
    [("gone", "HTTP Error 404"), ("lies", "SHA-256 is not"), ("long", f"more than the expected {len(CONTENT)} bytes")],
)
def test_failure_names_the_cause_and_the_remedy(server, tmp_path, way, message):
    with pytest.raises(
        UserError, match=rf"net\.bin could not be downloaded in 2 attempts .*{message}.* put the file into"
    ):
        download(remote(server, way), tmp_path, retries=1, pause=0)
    assert not (tmp_path / "net.bin").exists()


def test_complete_file_is_not_downloaded_again(server, tmp_path):
    (tmp_path / "net.bin").write_bytes(CONTENT)
    download(remote(server, "good"), tmp_path)
    assert server.asked == []


# A file whose size is not known, checked by its SHA-1


def by_sha1(server, *ways):
    return remote(server, *ways, size=None, digest=hashlib.sha1(CONTENT).hexdigest())


def test_the_server_states_a_size_that_is_not_known_so_a_truncated_download_is_resumed(server, tmp_path):
    assert download(by_sha1(server, "drops", "good"), tmp_path, pause=0).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == ["bytes=0-", f"bytes={len(CONTENT) // 2}-"]


def test_a_truncated_download_leaves_no_file_but_a_partial_one(server, tmp_path):
    with pytest.raises(UserError, match=rf"the connection ended after {len(CONTENT) // 2} of {len(CONTENT)} bytes"):
        download(by_sha1(server, "drops"), tmp_path, retries=0)
    assert [path.name for path in tmp_path.iterdir()] == ["net.bin.part"]


def test_a_partial_file_that_is_whole_needs_no_more_bytes(server, tmp_path):
    (tmp_path / "net.bin.part").write_bytes(CONTENT)
    assert download(by_sha1(server, "good"), tmp_path, pause=0).read_bytes() == CONTENT


def test_a_partial_file_longer_than_the_file_is_fetched_anew(server, tmp_path):
    (tmp_path / "net.bin.part").write_bytes(CONTENT + b"more")
    assert download(by_sha1(server, "good"), tmp_path, pause=0).read_bytes() == CONTENT


def test_a_wrong_sha1_is_an_error(server, tmp_path):
    with pytest.raises(UserError, match=r"the file's SHA-1 is not [0-9a-f]{40}\); try again, or put the file into"):
        download(by_sha1(server, "lies"), tmp_path, retries=1, pause=0)
    assert not list(tmp_path.iterdir())
