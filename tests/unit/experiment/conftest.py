from pathlib import Path

import pytest
import yaml

PAPER = Path(__file__).parents[3] / "config/config.yaml"


@pytest.fixture
def config(tmp_path, monkeypatch, append_videos):
    """The paper's experiment over ten shards, each of which is expected to hold 100 patches of the 400 for `5M`."""
    monkeypatch.chdir(tmp_path)
    append_videos(10)
    subsets = {"5M": {"share": [0, 1], "patches": 400}, "8M": {"share": [0, 1], "patches": 600}}
    return yaml.safe_load(PAPER.read_text()) | {
        "videos": {"list": "videos.tsv", "shard_size": 1},
        "patches": {"per_video": 100},
        "subsets": {"1.5M": {"share": [0, 0.1], "patches": None}} | subsets,
    }


@pytest.fixture
def append_videos():
    """A function that adds so many videos to the list."""

    def append(number):
        listed = Path("videos.tsv")
        before = listed.read_text().splitlines()[1:] if listed.exists() else []
        added = [f"v{len(before) + index}\tclip.mp4" for index in range(number)]
        listed.write_text("\n".join(["video_id\tsource", *before, *added]) + "\n")

    return append
