import json

import numpy as np
import pytest
from worlds.films import BOX, HEIGHT, WIDTH

from tracklearn.errors import UserError
from tracklearn.figures import frames as module
from tracklearn.figures.drawing import Outputs
from tracklearn.figures.frames import arrow_stretch, frames_figure
from tracklearn.mining.filtering import Points, filter_shard
from tracklearn.mining.tables import FRAMES, read_table, write_table

FRAME = {"height": HEIGHT, "width": WIDTH}


@pytest.fixture(scope="module")
def table(films, tmp_path_factory):
    """The candidate frames of the small films: accepted ones of `moving`, noise in `still` and `panning`."""
    path = tmp_path_factory.mktemp("mined") / "frames.csv"
    filter_shard(manifest=films / "manifest.tsv", frames_table=path, frame=FRAME, filtering={"every": 15, "box": BOX})
    return path


@pytest.fixture
def figure(films, table, tmp_path):
    def draw(*, manifests=(films / "manifest.tsv",), tables=(table,), count=1, seed=0, **settings):
        outputs = Outputs(tmp_path / "f.png", tmp_path / "f.svg", tmp_path / "f.json")
        metrics = frames_figure(
            manifests=manifests, frames_tables=tables, count=count, seed=seed, outputs=outputs, frame=FRAME,
            filtering={"box": BOX}, **settings,
        )  # fmt: skip
        return metrics, json.loads(outputs.description.read_text())

    return draw


@pytest.fixture
def drawings(monkeypatch):
    """The arrows (x, y, u, v), the standing points and the box of each frame that is drawn."""
    found = []
    draw = module._draw

    def spy(axes, panel, settings, stretch):
        draw(axes, panel, settings, stretch)
        (arrows,) = [part for part in axes.collections if type(part).__name__ == "Quiver"]
        boxes = [patch.get_bbox().bounds for patch in axes.patches]
        found.append((panel, np.stack([arrows.X, arrows.Y, arrows.U, arrows.V], 1), boxes, stretch))

    monkeypatch.setattr(module, "_draw", spy)
    return found


def test_the_shares_are_those_of_the_table(figure, table):
    rows = [row for row in read_table(table, FRAMES) if row["frame"]]
    metrics, described = figure()
    for reason in ("motion", "noise", "camera"):
        share = 100 * sum(row["reason"] == reason for row in rows) / len(rows)
        assert metrics[f"share/{reason}"] == pytest.approx(share)
    assert metrics["candidates"] == len(rows)
    assert metrics["frames"] == 2
    assert described["notes"] == ["no candidate frame was rejected (too many points move)"]
    assert f"drawn at random with seed 0 from {len(rows)} candidates" in described["caption"]


def test_arrows_are_the_motion_of_the_moving_points_as_the_filter_counted_them(figure, table, drawings):
    rows = {(row["video_id"], row["frame"]): row for row in read_table(table, FRAMES)}
    figure(count=2)
    assert len(drawings) == 4
    for panel, arrows, boxes, stretch in drawings:
        row = rows[panel.row["video_id"], panel.row["frame"]]
        moving = panel.points.lengths > 0.5
        assert len(arrows) == moving.sum() == int(row["moving"])
        assert np.allclose(arrows[:, :2], panel.points.at[moving])
        assert np.allclose(arrows[:, 2:], stretch * panel.points.motion[moving])
        corner = [(float(row["x"]), float(row["y"]), BOX, BOX)] if row["verdict"] == "accepted" else []
        assert boxes == 2 * corner


def test_a_seed_draws_the_same_frames_and_each_of_another_video_first(figure):
    drawn = figure(count=2)[1]["drawn"]
    assert drawn == figure(count=2)[1]["drawn"]
    assert {line.split(",")[0] for line in drawn if "too few" in line} == {"still", "panning"}


def test_a_video_that_is_gone_is_named_and_another_frame_takes_its_place(figure, films, tmp_path):
    manifest = tmp_path / "manifest.tsv"
    manifest.write_text((films / "manifest.tsv").read_text().replace("panning.mp4", "removed.mp4"))
    metrics, described = figure(manifests=[manifest], count=2)
    assert metrics["gone"] == 1
    assert "panning: cannot be read any more, so its frames are not shown" in described["notes"]
    assert [line.split(",")[0] for line in described["drawn"]] == ["moving", "moving", "still", "still"]


def test_without_any_video_a_placard_says_so(figure, films, tmp_path):
    manifest = tmp_path / "manifest.tsv"
    manifest.write_text((films / "manifest.tsv").read_text().replace(".mp4\tok", ".gone\tok"))
    metrics, described = figure(manifests=[manifest])
    assert (metrics["frames"], metrics["gone"]) == (0, 3)
    assert described["notes"] == [
        "Figure 2: no video of the drawn frames can be read any more; download the videos again or add videos"
    ]


def test_a_shard_without_candidates_gives_a_placard(figure, tmp_path):
    write_table(tmp_path / "empty.csv", FRAMES, [])
    metrics, described = figure(tables=[tmp_path / "empty.csv"])
    assert metrics["candidates"] == metrics["frames"] == 0
    assert described["notes"] == ["Figure 2: no candidate frame was judged; download the videos again or add videos"]


def test_a_table_of_another_version_is_named(figure, table, tmp_path):
    (tmp_path / "old.csv").write_text(table.read_text().replace(",flow", ",optical_flow", 1))
    with pytest.raises(UserError, match=r"old\.csv: columns .*; expected"):
        figure(tables=[tmp_path / "old.csv"])


def points(lengths, width=200):
    at = np.zeros((len(lengths), 2), np.float32)
    at[:, 0] = np.linspace(0, width, len(lengths))
    motion = np.stack([np.asarray(lengths, np.float32), np.zeros(len(lengths), np.float32)], 1)
    return Points(at, motion, np.zeros(len(lengths), bool), np.eye(3), "lucas-kanade")


@pytest.mark.parametrize(
    ("lengths", "expected"), [([3, 3, 3, 0.1], 5), ([12, 12], 1), ([1, 1, 1, 1.3, 30], 10), ([0.1, np.nan], 1)]
)
def test_arrows_are_stretched_to_a_sixteenth_of_the_frame(lengths, expected):
    """By hand: a sixteenth of 200 px is 12.5 px, and three quarters of the third case move by at most 1.3 px."""
    assert arrow_stretch([points(lengths)], 0.5) == expected
