import json
import os
from pathlib import Path

import pytest

from tracklearn.errors import UserError
from tracklearn.videos.manifest import ManifestRow, write_manifest
from tracklearn.videos.summary import general_reason, summarize_crawl


def ok(video_id: str, sha256: str, seconds: float) -> ManifestRow:
    return ManifestRow(video_id, "x", status="ok", bytes=10**9, sha256=sha256 * 64, duration=seconds)


@pytest.fixture
def crawl(tmp_path: Path) -> dict[str, object]:
    """A crawl of which two of four shards are downloaded and one is packed; the arguments of `summarize_crawl`."""
    shards = {
        "00000": [
            ok("a", "1", 1800),
            ManifestRow("b", "x", reason="HTTP 404 Not Found"),
            ManifestRow("c", "x", reason="a repeat: the same bytes as a"),
            ManifestRow("d", "x", status="unreachable", reason="HTTP 503 Busy (4 attempts)"),
        ],
        "00001": [
            ok("e", "1", 5400),
            ok("f", "2", 0),
            ManifestRow("g", "x", reason="HTTP 404 Not Found"),
            ManifestRow("h", "x", reason="not a video: it is a web page (HTML)"),
        ],
    }
    for number, (name, rows) in enumerate(shards.items()):
        write_manifest(tmp_path / f"{name}.tsv", rows)
        os.utime(tmp_path / f"{name}.tsv", (7200 * number, 7200 * number))
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed/00000.json").write_text('{"pairs": 300}')
    return {
        "listed": {"00000": 4, "00001": 4, "00002": 4, "00003": 4},
        "manifests": tmp_path,
        "summaries": tmp_path / "packed",
        "page": tmp_path / "summary.html",
        "numbers": tmp_path / "summary.json",
    }


def test_numbers_of_a_crawl_that_is_half_done(crawl: dict[str, object], tmp_path: Path) -> None:
    counts = {"listed": 16, "downloaded": 3, "repeated": 1, "refused": 3, "unreachable": 1, "to_come": 8}
    amounts = {"bytes": 3e9, "hours": 2.0, "pairs": 300, "pairs_per_hour": 600.0}  # half an hour is packed
    assert summarize_crawl(**crawl) == counts | amounts  # type: ignore[arg-type]
    assert json.loads((tmp_path / "summary.json").read_text()) == counts | amounts | {
        "copies_across_shards": 1,  # e has the bytes of a
        "shards": {"listed": 4, "downloaded": 2, "packed": 1},
        "reasons": {"refused": {"HTTP 404 Not Found": 2, "not a video": 1}, "unreachable": {"HTTP 503 Busy": 1}},
        "estimate_to_come": {
            "videos": 8,
            "downloaded": 3.0,
            "bytes": 3e9,
            "hours": 2.0,
            "pairs": 1200.0,
            "seconds": 2 * 7200.0,
        },
    }


def test_the_page_says_what_is_there_and_what_is_to_come(crawl: dict[str, object], tmp_path: Path) -> None:
    summarize_crawl(**crawl)  # type: ignore[arg-type]
    text = (tmp_path / "summary.html").read_text()
    assert "3 of 16 videos can be mined" in text
    assert "2 of 4 shards are downloaded" in " ".join(text.split())
    assert "One hour of video gives 600 pairs" in text
    assert "the downloads take 4.0 more hours" in text
    assert "<tr><td>e</td><td>a</td></tr>" in text
    assert text.index("HTTP 404 Not Found") < text.index("not a video")


def test_a_damaged_summary_is_named(crawl: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "packed/00000.json").write_text('{"pairs": 3')
    with pytest.raises(UserError, match=r"packed/00000\.json: cannot be read .*; delete it and run again"):
        summarize_crawl(**crawl)  # type: ignore[arg-type]


def test_a_crawl_that_has_not_begun(crawl: dict[str, object], tmp_path: Path) -> None:
    for manifest in tmp_path.glob("*.tsv"):
        manifest.unlink()
    counts = summarize_crawl(**crawl)  # type: ignore[arg-type]
    assert (counts["to_come"], counts["downloaded"], counts["pairs_per_hour"]) == (16, 0, 0)
    assert json.loads((tmp_path / "summary.json").read_text())["estimate_to_come"]["seconds"] is None
    assert "No video failed." in (tmp_path / "summary.html").read_text()


@pytest.mark.parametrize(
    ("reason", "general"),
    [
        ("HTTP 429 Too Many Requests (4 attempts)", "HTTP 429 Too Many Requests"),
        ("HTTP 429 Busy: the host asks for a rest of 400 s, longer than videos.max_wait 300 s", "HTTP 429 Busy"),
        ("time limit of 900 s (1 attempts)", "time limit of ... s"),
        ("duration 700.5 s exceeds max_duration 600 s", "duration ... s exceeds max_duration ... s"),
        ("[youtube] dQw4w9WgXcQ: Private video. Sign in if you've been granted access", "Private video"),
        ("not a video: it is a web page (HTML)", "not a video"),
    ],
)
def test_general_reasons(reason: str, general: str) -> None:
    assert general_reason(reason) == general
