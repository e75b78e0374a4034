import base64
import re

import cv2
import numpy as np
import pytest
from worlds.films import BOX, HEIGHT, WIDTH, film, texture, write_film

from tracklearn.errors import UserError
from tracklearn.mining.filtering import Points, filter_shard
from tracklearn.mining.tables import FRAMES, TRACKS, read_table, write_table
from tracklearn.mining.tracking.kcf import track_shard
from tracklearn.patches import gallery as module
from tracklearn.patches.gallery import BOX as GREEN
from tracklearn.patches.gallery import (
    LEGEND,
    MOVING,
    OVERLAID,
    STANDING,
    UNFOLLOWED,
    by_reason,
    draw_points,
    mining_gallery,
)
from tracklearn.patches.packing import pack_shard
from tracklearn.patches.store import PatchStore
from tracklearn.patches.writing import write_shard
from tracklearn.videos.manifest import ManifestRow, write_manifest

FRAME = {"height": HEIGHT, "width": WIDTH}


@pytest.fixture(scope="module")
def mined(films, tmp_path_factory):
    """The shard of small films, filtered, tracked and packed; one track is listed twice, so that a pair is dropped."""
    folder = tmp_path_factory.mktemp("mined")
    inputs = {"manifest": films / "manifest.tsv", "frames_table": folder / "frames.csv"}
    filter_shard(**inputs, frame=FRAME, filtering={"every": 15, "box": BOX})
    track_shard(**inputs, tracks_table=folder / "tracks.csv", frame=FRAME, box=BOX)
    tracks = read_table(folder / "tracks.csv", TRACKS)
    write_table(folder / "tracks.csv", TRACKS, [tracks[0], *tracks])
    pack_shard(
        manifest=films / "manifest.tsv",
        tracks_table=folder / "tracks.csv",
        store=folder / "s.h5",
        summary=folder / "s.json",
        frame=FRAME,
        packing={"size": BOX},
    )
    return folder


@pytest.fixture
def gallery(films, mined, tmp_path):
    def run(**settings):
        inputs = {
            "manifest": films / "manifest.tsv",
            "frames_table": mined / "frames.csv",
            "tracks_table": mined / "tracks.csv",
            "store": mined / "s.h5",
            "summary": mined / "s.json",
        }
        page = tmp_path / "gallery.html"
        metrics = mining_gallery(**(inputs | settings), page=page, frame=FRAME, filtering={"box": BOX})
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


def test_the_page_shows_frames_pairs_and_reasons(gallery, mined):
    metrics, page = gallery()
    frames, tracks = read_table(mined / "frames.csv", FRAMES), read_table(mined / "tracks.csv", TRACKS)
    accepted = [row for row in frames if row["verdict"] == "accepted"]
    seen = pictures(page, "Accepted frames")
    assert [caption.split(":")[0] for caption in seen] == [f"moving {row['frame']}" for row in accepted]
    assert set(re.findall(r"(\w+) \d+: noise", " ".join(pictures(page, "Rejected frames")))) == {"still", "panning"}
    lost = [row for row in tracks if row["status"] == "lost"]
    assert [caption.split(":")[0] for caption in pictures(page, "Lost tracks")] == [
        f"moving {row['frame']}" for row in lost
    ]
    assert metrics["frames/motion"] == len(accepted)
    assert metrics["frames/noise"] == 6
    assert metrics["frames/video failed"] == 2
    assert metrics["tracks/video ended"] == len(lost) > 0
    assert metrics["tracks/near duplicate"] == 1
    assert metrics["tracks/kept"] + 1 + len(lost) == len(tracks)
    assert metrics["pictures"] == page.count("<img ")
    for reason in ("noise</td><td>6", "video ended</td><td>2", "near duplicate</td><td>1"):
        assert f"<td>{reason}</td>" in page
    assert len(page) < 2_000_000


def test_pairs_are_those_of_the_store(gallery, mined):
    store = PatchStore(mined / "s.h5")
    shown = pictures(gallery()[1], "Pairs")
    assert [caption.split(":")[0] for caption in shown] == [f"moving {a} to {b}" for a, b in store.frames]
    for picture, index in zip(shown.values(), range(len(store)), strict=True):
        expected = cv2.resize(np.hstack(store.pair(index)), (240, 120), interpolation=cv2.INTER_LINEAR)
        assert np.abs(picture.astype(int) - expected).mean() < 8


@pytest.fixture
def drawings(monkeypatch):
    """The points and the corner of the box of each frame that is drawn."""
    found = []

    def spy(image, points, **box):
        found.append((points, box["corner"]))
        return draw_points(image, points, **box)

    monkeypatch.setattr(module, "draw_points", spy)
    return found


def test_the_points_are_those_of_the_filter(gallery, mined, drawings):
    """As many points as the table says, as many of them moving, and the query box at its corner."""
    gallery()
    rows = [row for row in read_table(mined / "frames.csv", FRAMES) if row["verdict"] == "accepted"]
    assert len(rows) == 5
    for row, (points, corner) in zip(rows, drawings, strict=False):
        assert len(points.at) == int(row["points"])
        assert points.overlaid.sum() == int(row["overlaid"])
        assert (points.lengths > 0.5).sum() == int(row["moving"])
        assert corner == (int(row["x"]), int(row["y"]))
    assert all(corner is None for _, corner in drawings[5:])


def test_overlaid_points_are_left_out_as_the_filter_does(tmp_path, drawings):
    """A logo before a panning scene: table and page count the same points, and none where the setting is off."""
    frames = []
    for image in film(75, step=(0, 0), pan=3):
        image[15:55, 20:130] = texture(40, 110, 5)
        frames.append(image)
    write_film(tmp_path / "logo.mp4", frames)
    manifest, table = tmp_path / "manifest.tsv", tmp_path / "frames.csv"
    write_manifest(manifest, [ManifestRow("logo", "", str(tmp_path / "logo.mp4"), "ok")])
    write_table(tmp_path / "tracks.csv", TRACKS, [])
    outputs = {"store": tmp_path / "s.h5", "summary": tmp_path / "s.json"}
    inputs = {"manifest": manifest, "tracks_table": tmp_path / "tracks.csv"}
    pack_shard(**inputs, **outputs, frame=FRAME, packing={"size": BOX})
    for overlays in (True, False):
        settings = {"frame": FRAME, "filtering": {"overlays": overlays, "box": BOX, "every": 15}}
        filter_shard(manifest=manifest, frames_table=table, **settings)
        drawings.clear()
        mining_gallery(**inputs, **outputs, frames_table=table, page=tmp_path / "page.html", **settings)
        rows = read_table(table, FRAMES)
        counted = {int(row["frame"]): int(row["overlaid"]) for row in rows}
        assert sorted(points.overlaid.sum() for points, _ in drawings) == sorted(counted.values())
        assert (min(counted.values()) > 10) is overlays


@pytest.mark.parametrize(("name", "columns"), [("frames", FRAMES), ("tracks", TRACKS)])
def test_the_table_of_another_shard_is_named(gallery, mined, tmp_path, name, columns):
    rows = read_table(mined / f"{name}.csv", columns)
    write_table(tmp_path / "other.csv", columns, [row | {"video_id": "elsewhere"} for row in rows])
    with pytest.raises(UserError, match=r"other\.csv: video elsewhere is not in the"):
        gallery(**{f"{name}_table": tmp_path / "other.csv"})


def test_a_video_that_takes_too_long_is_left_out(gallery):
    metrics, page = gallery(timeout=0)
    assert pictures(page, "Accepted frames") == pictures(page, "Lost tracks") == {}
    assert len(pictures(page, "Pairs")) == metrics["tracks/kept"] > 0


def test_a_drawing_by_hand():
    """Four points and a box on a black frame twice as large as the picture."""
    at = np.float32([[100, 100], [300, 100], [500, 100], [600, 100]])
    motion = np.float32([[0.2, 0], [0, 0.8], [np.nan, np.nan], [np.nan, np.nan]])
    points = Points(at, motion, np.array([False, False, False, True]), None, "lucas-kanade")
    picture = draw_points(np.zeros((480, 720), np.uint8), points, moving_px=0.5, corner=(200, 200), box=100)
    assert picture.shape == (240, 360, 3)
    assert tuple(picture[50, 50]) == STANDING
    assert tuple(picture[50, 150]) == MOVING
    assert tuple(picture[50, 250]) == UNFOLLOWED
    assert tuple(picture[50, 300]) == OVERLAID
    assert tuple(picture[100, 125]) == GREEN
    assert tuple(picture[150, 125]) == GREEN
    assert not picture[125, 125].any()


def test_the_legend_names_every_colour(gallery):
    assert set(LEGEND.values()) == {STANDING, MOVING, UNFOLLOWED, OVERLAID, GREEN}
    section = gallery()[1].partition("<h2>Rejected frames</h2>")[2]
    for name, (red, green, blue) in LEGEND.items():
        assert re.search(rf'rgb\({red}, {green}, {blue}\)">[^<]*</span> {name}', section)


def test_the_counts_outlast_the_videos(gallery, films, tmp_path):
    manifest = tmp_path / "manifest.tsv"
    manifest.write_text((films / "manifest.tsv").read_text().replace("moving.mp4", "removed.mp4"))
    metrics, page = gallery(manifest=manifest)
    assert metrics["frames/motion"] == 5
    assert pictures(page, "Accepted frames") == {}
    assert pictures(page, "Rejected frames")


def test_an_empty_shard_has_a_page(gallery, mined, tmp_path):
    for name in ("frames", "tracks"):
        (tmp_path / f"{name}.csv").write_text((mined / f"{name}.csv").read_text().splitlines()[0] + "\n")
    write_shard(tmp_path / "s.h5", [], size=BOX, quality=95)
    (tmp_path / "s.json").write_text('{"pairs": 0, "reasons": {}}')
    tables = {"frames_table": tmp_path / "frames.csv", "tracks_table": tmp_path / "tracks.csv"}
    metrics, page = gallery(**tables, store=tmp_path / "s.h5", summary=tmp_path / "s.json")
    assert metrics == {"tracks/kept": 0, "pictures": 0}
    assert "<h2>Accepted frames</h2>" in page


def test_names_are_text_and_no_markup(gallery, mined, tmp_path):
    text = (mined / "frames.csv").read_text().replace(",noise,", ",<b>noise</b>,")
    (tmp_path / "frames.csv").write_text(text)
    _, page = gallery(frames_table=tmp_path / "frames.csv")
    assert "<b>" not in page
    assert "&lt;b&gt;noise" in page


def test_choosing_by_reason():
    rows = [{"reason": "noise", "frame": str(n)} for n in range(90)]
    rows += [{"reason": "camera", "frame": str(n)} for n in range(3)] + [{"reason": "video failed: x", "frame": "0"}]
    chosen = by_reason(rows, 12)
    assert [row["reason"] for row in chosen] == ["video failed: x", *["camera"] * 3, *["noise"] * 8]
    assert [row["frame"] for row in chosen[-8:]][::7] == ["0", "89"]
