"""Unreachable videos are tried again, and only the shards that gain videos are mined again."""

import re
import shutil
from pathlib import Path

import pytest
from checkout import Checkout
from worlds.films import film, write_film

from tracklearn.videos.manifest import read_manifest

CONFIG = "videos: {list: videos.tsv, directory: downloads, shard_size: 2, retries: 0}\n"
TABLES = [f"results/mining/0000{shard}/frames.csv" for shard in (0, 1)]


class Crawl:
    """A folder in which the workflow crawls two shards: one with an unreachable video, one with a video on the disk."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.workflow, self.folder = Checkout(root), folder

    def snakemake(self, *arguments: str, ok: bool = True) -> str:
        return self.workflow.snakemake(*arguments, folder=str(self.folder), ok=ok)

    def planned(self) -> dict[str, int]:
        output = self.snakemake("--dry-run", "--quiet", "rules", "--", *TABLES)
        table = output.partition("Job stats:")[2].partition("total")[0]
        return {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}

    def statuses(self) -> list[str]:
        return [row.status for row in read_manifest(self.folder / "results/videos/00000.tsv")]


@pytest.fixture
def crawl(repository, tmp_path) -> Crawl:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text(CONFIG)
    write_film(tmp_path / "clip.mp4", film(35))
    sources = {"odd": "gopher://127.0.0.1/x", "late": "http://127.0.0.1:9/late.mp4", "mine": "clip.mp4"}
    lines = ["video_id\tsource", *(f"{name}\t{source}" for name, source in sources.items())]
    (tmp_path / "videos.tsv").write_text("\n".join(lines) + "\n")
    crawl = Crawl(repository, tmp_path)
    crawl.snakemake("--", *TABLES)
    return crawl


def test_only_shards_that_gain_videos_are_mined_again(crawl):
    assert crawl.statuses() == ["failed", "unreachable"]
    manifest = crawl.folder / "results/videos/00000.tsv"
    before = manifest.stat()

    crawl.snakemake("retry_unreachable")  # the host is still down
    assert crawl.planned() == {}
    assert (manifest.stat().st_ino, manifest.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not (crawl.folder / "results/videos/retried").exists()

    shutil.copy(crawl.folder / "clip.mp4", crawl.folder / "downloads/00000/late.mp4")  # a download that has ended
    assert "videos_retry 00001" not in crawl.snakemake("retry_unreachable")
    assert crawl.statuses() == ["failed", "ok"]
    assert crawl.planned() == {"mining_filter": 1}
    crawl.snakemake("--", *TABLES)
    assert crawl.planned() == {}

    page = "results/videos/summary.html"
    crawl.snakemake(page)
    assert "2 of 3 videos can be mined" in (crawl.folder / page).read_text()

    message = "retry_unreachable: it changes what the other targets read; ask for it alone"
    assert message in crawl.snakemake("retry_unreachable", "pairs", ok=False)
