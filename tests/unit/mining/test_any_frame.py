import csv

import pytest
from worlds.films import BOX, HEIGHT, WIDTH

from tracklearn.errors import UserError
from tracklearn.mining.any_frame import box_rejected_frames
from tracklearn.mining.filtering import filter_shard
from tracklearn.mining.tables import FRAMES, write_table
from tracklearn.videos.manifest import ManifestRow, write_manifest

FRAME = {"height": HEIGHT, "width": WIDTH}
MEASURED = ("video_id", "frame", "points", "overlaid", "moving", "fraction", "x", "y", "inside", "surf", "flow")


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def rejected(video, frame, reason="noise"):
    return {"video_id": video, "frame": frame, "verdict": "rejected", "reason": reason, "flow": "lucas-kanade"}


@pytest.fixture
def box(films, tmp_path):
    """Finds the boxes of the frames in a table."""

    def run(*rows, table=None):
        if table is None:
            write_table(table := tmp_path / "frames.csv", FRAMES, rows)
        metrics = box_rejected_frames(
            manifest=films / "manifest.tsv",
            frames_table=table,
            boxes_table=tmp_path / "boxes.csv",
            frame=FRAME,
            filtering={"box": BOX},
        )
        return metrics, read(tmp_path / "boxes.csv")

    return run


def test_the_box_of_a_rejected_frame_is_the_one_that_it_has_where_the_rule_accepts_it(films, box, tmp_path):
    """37% of the points of moving.mp4 move: limits of 25% and 75% accept its frames, limits of 90% and 95% do not."""
    write_manifest(tmp_path / "moving.tsv", [ManifestRow("moving", "", str(films / "moving.mp4"), "ok")])
    tables = {}
    for noise, camera in ((0.25, 0.75), (0.9, 0.95)):
        tables[noise] = tmp_path / f"{noise}.csv"
        filter_shard(
            manifest=tmp_path / "moving.tsv",
            frames_table=tables[noise],
            frame=FRAME,
            filtering={"box": BOX, "every": 60, "noise": noise, "camera": camera},
        )
    accepted = read(tables[0.25])
    assert [(row["frame"], row["verdict"]) for row in accepted] == [(frame, "accepted") for frame in ("0", "60")]
    assert {row["verdict"] for row in read(tables[0.9])} == {"rejected"}
    metrics, rows = box(table=tables[0.9])
    assert metrics == {"rejected": 2, "boxes": 2, "still": 0}
    assert [[row[name] for name in MEASURED] for row in rows] == [[row[name] for name in MEASURED] for row in accepted]
    assert [(row["verdict"], row["reason"]) for row in rows] == [("accepted", "noise")] * 2


def test_only_frames_that_the_rule_rejected_have_boxes(box):
    accepted = {"video_id": "moving", "frame": 0, "x": 1, "y": 1, "verdict": "accepted", "reason": "motion"}
    others = [rejected("moving", 5, "too few points"), rejected("moving", 10, "more than max_pairs_per_video")]
    both = [rejected("moving", 15, "camera"), rejected("moving", 20)]
    metrics, rows = box(accepted, *others, *both)
    assert [(row["frame"], row["verdict"], row["reason"]) for row in rows] == [
        ("15", "accepted", "camera"), ("20", "accepted", "noise"),
    ]  # fmt: skip
    assert metrics == {"rejected": 2, "boxes": 2, "still": 0}


def test_a_frame_in_which_nothing_moves_has_no_box_and_a_lost_video_stops_no_other(box):
    metrics, rows = box(rejected("moving", 30), rejected("still", 10), rejected("broken", 0))
    moving, still, broken = rows
    assert (moving["frame"], moving["verdict"]) == ("30", "accepted")
    assert (still["frame"], still["verdict"], still["reason"]) == ("10", "rejected", "nothing moves")
    assert (broken["frame"], broken["verdict"]) == ("", "rejected") and "broken.mp4" in broken["reason"]
    assert metrics == {"rejected": 3, "boxes": 1, "still": 1}


def test_a_table_of_another_shard_is_an_error(box):
    with pytest.raises(UserError, match=r"frames\.csv: video other is not in the manifest; delete it and run again$"):
        box(rejected("other", 0))
