import base64
import re

import cv2
import numpy as np
import pytest

from mining.films import BOX, HEIGHT, WIDTH
from tracklearn.mining import gallery as module
from tracklearn.mining.gallery import BOX as GREEN
from tracklearn.mining.gallery import GONE, MOVING, STILL, by_reason, drawn, mining_gallery, spread
from tracklearn.mining.kcf import track_shard
from tracklearn.mining.query_patch import filter_shard
from tracklearn.mining.shard import FRAMES, TRACKS, read_table

FRAME = {"height": HEIGHT, "width": WIDTH}


@pytest.fixture(scope="module")
def mined(films, tmp_path_factory):
    """The tables of the shard of small films: accepted, rejected, tracked, lost and failed."""
    folder = tmp_path_factory.mktemp("mined")
    inputs = {"manifest": films / "manifest.tsv", "frames_table": folder / "frames.csv"}
    filter_shard(**inputs, every=15, box=BOX, **FRAME)
    track_shard(**inputs, tracks_table=folder / "tracks.csv", box=BOX, **FRAME)
    return folder


@pytest.fixture
def gallery(films, mined, tmp_path):
    def run(**settings):
        tables = {"frames_table": mined / "frames.csv", "tracks_table": mined / "tracks.csv"}
        page = tmp_path / "gallery.html"
        metrics = mining_gallery(
            **({"manifest": films / "manifest.tsv"} | tables | settings), page=page, box=BOX, **FRAME
        )
        return metrics, page.read_text()

    return run


def pictures(page, section):
    """The pictures of a section with their captions."""
    text = page.partition(f"<h2>{section}</h2>")[2].partition("<h2>")[0]
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)" alt="([^"]*)"', text)
    return {
        caption: cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
        for data, caption in found
    }


def test_the_page_shows_both_tables(gallery, mined):
    metrics, page = gallery()
    frames, tracks = read_table(mined / "frames.csv", FRAMES), read_table(mined / "tracks.csv", TRACKS)
    accepted = [row for row in frames if row["verdict"] == "accepted"]
    seen = pictures(page, "Accepted frames")
    assert [caption.split(":")[0] for caption in seen] == [f"moving {row['frame']}" for row in accepted]
    assert set(re.findall(r"(\w+) \d+: noise", " ".join(pictures(page, "Rejected frames")))) == {"still", "panning"}
    assert len(pictures(page, "Pairs")) == sum(row["status"] == "tracked" for row in tracks) > 0
    assert len(pictures(page, "Lost tracks")) == sum(row["status"] == "lost" for row in tracks) > 0
    assert metrics["frames/motion"] == len(accepted)
    assert metrics["frames/noise"] == 6
    assert metrics["frames/video failed"] == 2
    assert metrics["tracks/tracked"] + metrics["tracks/video ended"] == len(accepted)
    assert metrics["pictures"] == page.count("<img ")
    assert "<td>noise</td><td>6</td>" in page
    assert len(page) < 2_000_000


def test_the_points_are_those_of_the_filter(gallery, mined, monkeypatch):
    """Found anew, as many points as the table says, as many of them moving, and the query box at its corner."""
    drawings = []
    monkeypatch.setattr(
        module,
        "drawn",
        lambda image, *found, **box: drawings.append((*found, box["corner"])) or drawn(image, *found, **box),
    )
    gallery()
    rows = [row for row in read_table(mined / "frames.csv", FRAMES) if row["verdict"] == "accepted"]
    assert len(rows) == 5
    for row, (points, lengths, corner) in zip(rows, drawings, strict=False):
        assert len(points) == int(row["points"])
        assert 0 <= (lengths > 0.5).sum() - int(row["moving"]) <= int(row["overlaid"])
        assert corner == (int(row["x"]), int(row["y"]))
    assert all(corner is None for _, _, corner in drawings[5:])


def test_the_drawing_by_hand():
    """Three points and a box on a black frame twice as large as the picture."""
    points = np.float32([[100, 100], [300, 100], [500, 100]])
    lengths = np.float32([0.2, 0.8, np.nan])
    picture = drawn(np.zeros((480, 720, 3), np.uint8), points, lengths, moving_px=0.5, corner=(200, 200), box=100)
    assert picture.shape == (240, 360, 3)
    assert tuple(picture[50, 50]) == STILL
    assert tuple(picture[50, 150]) == MOVING
    assert tuple(picture[50, 250]) == GONE
    assert tuple(picture[100, 125]) == GREEN
    assert tuple(picture[150, 125]) == GREEN
    assert not picture[125, 125].any()


def test_videos_that_have_gone_leave_the_counts(gallery, films, tmp_path):
    manifest = tmp_path / "manifest.tsv"
    manifest.write_text((films / "manifest.tsv").read_text().replace("moving.mp4", "removed.mp4"))
    metrics, page = gallery(manifest=manifest)
    assert metrics["frames/motion"] == 5
    assert pictures(page, "Accepted frames") == {}
    assert pictures(page, "Rejected frames")


def test_an_empty_shard_has_a_page(gallery, mined, tmp_path):
    for name in ("frames", "tracks"):
        (tmp_path / f"{name}.csv").write_text((mined / f"{name}.csv").read_text().splitlines()[0] + "\n")
    metrics, page = gallery(frames_table=tmp_path / "frames.csv", tracks_table=tmp_path / "tracks.csv")
    assert metrics == {"pictures": 0}
    assert "<h2>Accepted frames</h2>" in page


def test_names_are_text_and_no_markup(gallery, mined, tmp_path):
    text = (mined / "frames.csv").read_text().replace(",noise,", ",<b>noise</b>,")
    (tmp_path / "frames.csv").write_text(text)
    _, page = gallery(frames_table=tmp_path / "frames.csv")
    assert "<b>" not in page
    assert "&lt;b&gt;noise" in page


def test_choosing():
    assert spread(list(range(9)), 3) == [0, 4, 8]
    assert spread([1, 2], 3) == [1, 2]
    rows = [{"reason": "noise", "frame": str(n)} for n in range(90)]
    rows += [{"reason": "camera", "frame": str(n)} for n in range(3)] + [{"reason": "video failed: x", "frame": "0"}]
    chosen = by_reason(rows, 12)
    assert [row["reason"] for row in chosen] == ["video failed: x", *["camera"] * 3, *["noise"] * 8]
    assert [row["frame"] for row in chosen[-8:]][::7] == ["0", "89"]
