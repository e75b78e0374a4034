import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from worlds.hosts import Host

from tracklearn.videos.download import download_shard, retry_shard
from tracklearn.videos.manifest import ManifestRow, read_manifest, write_manifest

LIMITS = {"timeout": 60.0, "retries": 0}
LONG_AGO = 1_000_000_000


@pytest.fixture
def retry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[dict[str, float], bool]]:
    """Retries a manifest of some rows; returns the counts, and whether its time has changed."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def run(*rows: ManifestRow) -> tuple[dict[str, float], bool]:
        manifest = tmp_path / "m.tsv"
        write_manifest(manifest, rows)
        os.utime(manifest, (LONG_AGO, LONG_AGO))
        videos = [[row.video_id, row.source] for row in rows]
        counts = retry_shard(videos=videos, manifest=manifest, directory=tmp_path / "videos", limits=LIMITS)
        return counts, manifest.stat().st_mtime != LONG_AGO

    return run


def unreachable(video_id: str, source: str) -> ManifestRow:
    return ManifestRow(video_id, source, status="unreachable", reason="HTTP 503 Busy (4 attempts)")


def test_unreachable_videos_alone_are_tried_again(
    retry: Callable[..., tuple[dict[str, float], bool]], host: Host, tmp_path: Path
) -> None:
    good = ManifestRow("good", host.url("fine", "good"), path="kept.mp4", status="ok", sha256="0" * 64, frames=5)
    dead = ManifestRow("dead", host.url("fine", "dead"), reason="HTTP 404 Not Found")
    down = unreachable("down", "http://127.0.0.1:9/x.mp4")
    late, gone = unreachable("late", host.url("fine", "late")), unreachable("gone", host.url("gone"))
    counts, changed = retry(good, late, dead, down, gone)
    assert counts == {"tried": 3, "ok": 1, "unreachable": 1, "failed": 1}
    assert changed
    rows = read_manifest(tmp_path / "m.tsv")
    assert [rows[0], rows[2], rows[3]] == [good, dead, down]
    assert (rows[1].status, rows[1].frames, rows[1].bytes) == ("ok", 50, len(host.file("late")))
    assert (rows[4].status, rows[4].reason) == ("failed", "HTTP 404 Not Found")
    assert set(host.asked) == {"/fine/late.mp4", "/gone/clip.mp4"}


def test_a_manifest_that_gains_no_video_keeps_its_time(
    retry: Callable[..., tuple[dict[str, float], bool]], host: Host, tmp_path: Path
) -> None:
    down = unreachable("down", "http://127.0.0.1:9/x.mp4")
    assert retry(down) == ({"tried": 1, "ok": 0, "unreachable": 1, "failed": 0}, False)
    assert read_manifest(tmp_path / "m.tsv") == [down]
    assert retry(unreachable("gone", host.url("gone")))[1] is False
    assert read_manifest(tmp_path / "m.tsv")[0].reason == "HTTP 404 Not Found"
    done = replace(down, status="ok")
    assert retry(done) == ({"tried": 0, "ok": 0, "unreachable": 0, "failed": 0}, False)


def test_a_video_that_is_found_again_is_one(
    retry: Callable[..., tuple[dict[str, float], bool]], host: Host, tmp_path: Path
) -> None:
    """The one that is mined stays, even if it is later in the list."""
    download_shard(
        videos=[["mined", host.url("fine", "a")]],
        directory=tmp_path / "videos",
        manifest=tmp_path / "before.tsv",
        limits=LIMITS,
    )
    [mined] = read_manifest(tmp_path / "before.tsv")
    twins = [unreachable(name, host.url("redirects", "b")) for name in ("first", "second")]
    counts, _ = retry(unreachable("copy", host.url("redirects", "a")), mined, *twins)
    rows = read_manifest(tmp_path / "m.tsv")
    assert [(row.video_id, row.status, row.reason) for row in rows] == [
        ("copy", "failed", "a repeat: the same bytes as mined"),
        ("mined", "ok", ""),
        ("first", "ok", ""),
        ("second", "failed", "a repeat: the same bytes as first"),
    ]
    assert counts == {"tried": 3, "ok": 1, "unreachable": 0, "failed": 2}


def test_a_partial_file_is_resumed(
    retry: Callable[..., tuple[dict[str, float], bool]], host: Host, tmp_path: Path
) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/a.mp4.part").write_bytes(host.video[:40_000])
    assert retry(unreachable("a", host.url("fine")))[0]["ok"] == 1
    assert host.ranges == [40_000]


def test_the_address_is_that_of_the_list(
    retry: Callable[..., tuple[dict[str, float], bool]], host: Host, tmp_path: Path
) -> None:
    """The manifest does not hold the token, without which the host would refuse."""
    source = host.url("fine") + "?token=abc&author=me"
    assert retry(unreachable("late", source))[0]["ok"] == 1
    assert {path.partition("?")[2] for path in host.asked} == {"token=abc&author=me"}
    assert read_manifest(tmp_path / "m.tsv")[0].source == host.url("fine") + "?token=***&author=me"
