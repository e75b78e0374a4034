import re

import pytest
from worlds.pairs import SIDE, some_pairs

from tracklearn.mining.tables import FRAMES, write_table
from tracklearn.patches.overview import PAIRS, REASONS, UNREADABLE, pairs_page
from tracklearn.patches.writing import write_shard, write_summary
from tracklearn.videos.manifest import ManifestRow, write_manifest


@pytest.fixture
def page(tmp_path):
    """A function that writes the page of some shards, each given by (number of pairs, videos, frames' reasons)."""

    def write(*shards, mined=True):
        names = [f"{number:05d}" for number in range(len(shards))]
        for name, (pairs, videos, reasons) in zip(names, shards, strict=True):
            counts = write_shard(tmp_path / f"{name}.h5", some_pairs(pairs), size=SIDE, quality=95)
            write_summary(tmp_path / f"{name}.json", counts, {"lost": 3})
            write_manifest(tmp_path / f"{name}.tsv", videos)
            write_table(tmp_path / f"{name}.csv", FRAMES, [{"video_id": "ant", "reason": reason} for reason in reasons])
        files = {suffix: [tmp_path / f"{name}.{suffix}" for name in names] for suffix in ("h5", "json", "tsv", "csv")}
        metrics = pairs_page(
            stores=files["h5"],
            summaries=files["json"],
            manifests=files["tsv"] if mined else [],
            frames_tables=files["csv"] if mined else [],
            page=tmp_path / "pairs.html",
        )
        return metrics, (tmp_path / "pairs.html").read_text()

    return write


def cells(text):
    """The texts of the cells of each row of the tables."""
    return [
        re.findall(r"<td[^>]*>(?:<a [^>]*>)?([^<]*)", row) for row in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    ]


ANT, BEE = ManifestRow("ant", "ant.mp4", status="ok"), ManifestRow("bee", "<bee>.mp4", reason="not a video: a web page")


def test_the_page_counts_over_all_shards(page):
    metrics, text = page((4, [ANT, BEE], ["noise", "noise", "camera: 80%"]), (0, [BEE], ["noise"]))
    assert metrics == {"videos": 3, "pairs": 4, "pictures": 4}
    assert "<h1>4 pairs</h1>" in text
    rows = cells(text)
    for name, count in {"can be read": 1, "not a video": 2, "noise": 3, "camera": 1, "kept": 4, "lost": 6}.items():
        assert [name, str(count)] in [row[:2] for row in rows], name
    assert ["bee", "&lt;bee&gt;.mp4", "not a video: a web page"] in rows
    assert ["00000", "2", "3", "2", "4"] in rows
    assert ["00001", "1", "1", "0", "0"] in rows
    assert '<a href="00001.html">00001</a>' in text
    assert text.count("data:image/jpeg;base64") == 4


def test_imported_shards_have_no_page_to_link_to(page):
    metrics, text = page((4, [], []), mined=False)
    assert metrics["pictures"] == 4
    assert ".html" not in text
    assert ["00000", "", "", "2", "4"] in cells(text)


def test_the_page_of_many_shards_stays_small(page):
    broken = [ManifestRow(f"v{number}", "s", reason=f"HTTP {number}") for number in range(100)]
    metrics, text = page(*[(2, broken, ["noise"])] * 150)
    assert metrics == {"videos": 15000, "pairs": 300, "pictures": PAIRS}
    assert len(text) < 1e6
    assert text.count("<td>s</td>") == UNREADABLE
    histogram = text.partition("<th>videos</th>")[2].partition("</table>")[0]
    counts = [int(row[1].replace(",", "")) for row in cells(histogram)]
    assert len(counts) == REASONS + 1
    assert sum(counts) == 15000
    assert ["others", "12,000"] in [row[:2] for row in cells(histogram)]
