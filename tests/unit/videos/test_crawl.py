"""A crawl of a hundred addresses of a host that lies; `benchmarks/crawl.py` is the same at its real size."""

import time
from collections import Counter
from pathlib import Path

import pytest
from worlds.hosts import Host

from tracklearn.videos.download import download_shard, retry_shard
from tracklearn.videos.downloads import Hosts
from tracklearn.videos.manifest import read_manifest

KINDS = ("fine", "gone", "redirects", "html", "fine", "forbidden", "drops", "longer", "resets", "nothing")
STATUS = {"fine": "ok", "redirects": "ok", "drops": "ok", "resets": "ok", "busy": "ok", "longer": "unreachable"}


def test_a_crawl_of_a_hundred_addresses(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("tracklearn.videos.downloads.BACKOFF", 0.01)
    known, rest = [], Hosts.rest  # when it was known here that the host wants a rest

    def noted(*arguments) -> None:
        rest(*arguments)
        known.append(time.time())

    monkeypatch.setattr(Hosts, "rest", noted)
    kinds = {f"v{number:03d}": KINDS[number % len(KINDS)] for number in range(100)} | {"v100": "busy"}
    shard = {"manifest": tmp_path / "m.tsv", "directory": tmp_path / "videos", "threads": 2}
    limits = {"timeout": 120.0, "retries": 1}
    videos = [[name, host.url(kind, name)] for name, kind in kinds.items()]
    videos += [["twin", host.url("redirects", "v000")]]  # another address of a file
    counts = download_shard(videos=videos, limits=limits, **shard)
    rows = read_manifest(tmp_path / "m.tsv")
    assert {row.video_id: row.status for row in rows[:-1]} == {
        name: STATUS.get(kind, "failed") for name, kind in kinds.items()
    }
    assert rows[-1].reason == "a repeat: the same bytes as v000"
    for row in rows:
        if row.ok:
            assert Path(row.path).read_bytes() == host.file(row.video_id)
    # A file is asked for its type and then downloaded. Dead addresses are asked once.
    asked = Counter({name: host.asked[f"/{kind}/{name}.mp4"] for name, kind in kinds.items()})
    assert {asked[name] for name in kinds if kinds[name] == "fine" and name != "v000"} == {2}
    assert {asked[name] for name in kinds if kinds[name] in ("gone", "forbidden")} == {1}
    assert asked["v100"] == 3
    # The thread that was refused waits. The other one may have begun a file, and a redirected one takes four requests.
    assert not any("v100" in path for _, path in host.early)
    assert sum(at > known[0] for at, _ in host.early) <= 4
    assert counts["unreachable"] == 10

    host.asked.clear()
    assert download_shard(videos=videos, limits=limits, **shard)["ok"] == counts["ok"]  # as after a kill
    assert not any(host.asked[f"/{kinds[row.video_id]}/{row.video_id}.mp4"] for row in rows if row.ok)

    host.asked.clear()
    assert retry_shard(videos=videos, limits=limits, **shard)["tried"] == 10
    assert {path.split("/")[1] for path in host.asked} == {"longer"}
