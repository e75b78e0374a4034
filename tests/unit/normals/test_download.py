import hashlib
import json

import numpy as np
import pytest
from worlds.web import serving

from tracklearn.download import RemoteFile
from tracklearn.errors import UserError
from tracklearn.normals.download import fetch_nyuv2

CONTENT = np.random.default_rng(0).bytes(100_000)


def test_the_download_is_resumed_and_checked_by_its_md5(tmp_path):
    with serving(CONTENT) as server:
        urls = server.url("drops", "a.mat"), server.url("good", "a.mat")
        file = RemoteFile(urls=urls, digest=hashlib.md5(CONTENT).hexdigest(), size=len(CONTENT))
        assert fetch_nyuv2(tmp_path, files=[file], stamp=tmp_path / "stamp.json", pause=0) == {"bytes": len(CONTENT)}
        path = tmp_path / "a.mat"
        assert path.read_bytes() == CONTENT
        assert json.loads((tmp_path / "stamp.json").read_text()) == {
            "unpacked": {str(path): [len(CONTENT), path.stat().st_mtime_ns]}
        }
        assert [asked for _, asked in server.asked] == ["bytes=0-", "bytes=50000-"]
        fetch_nyuv2(tmp_path, files=[file])
        assert len(server.asked) == 2


def test_other_contents_are_refused(tmp_path):
    with serving(CONTENT) as server:
        urls = (server.url("lies", "a.mat"),)
        file = RemoteFile(urls=urls, digest=hashlib.md5(CONTENT).hexdigest(), size=len(CONTENT))
        with pytest.raises(UserError, match="the file's MD5 is not"):
            fetch_nyuv2(tmp_path, files=[file], retries=0)


def test_a_file_of_ones_own_is_kept(tmp_path):
    (tmp_path / "a.mat").write_text("mine")
    fetch_nyuv2(tmp_path, files=[RemoteFile(urls=("http://127.0.0.1:9/a.mat",), digest="0" * 32)])
    assert (tmp_path / "a.mat").read_text() == "mine"
