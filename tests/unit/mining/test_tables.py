import pytest

from tracklearn.errors import UserError
from tracklearn.mining.tables import by_video, read_table, short_reason, spread, write_table
from tracklearn.videos.manifest import ManifestRow


def test_missing_values_are_empty_cells(tmp_path):
    write_table(tmp_path / "t.csv", ("video_id", "frame"), [{"video_id": "a"}, {"video_id": "b, c", "frame": 3}])
    rows = [{"video_id": "a", "frame": ""}, {"video_id": "b, c", "frame": "3"}]
    assert read_table(tmp_path / "t.csv", ("video_id", "frame")) == rows


def test_a_table_with_other_columns_is_refused(tmp_path):
    write_table(tmp_path / "t.csv", ("video_id", "frame"), [])
    message = r"t\.csv: columns \['video_id', 'frame'\]; expected \['video_id', 'x'\]: delete it and run again"
    with pytest.raises(UserError, match=message):
        read_table(tmp_path / "t.csv", ("video_id", "x"))


def test_every_video_has_its_rows():
    videos = [ManifestRow("a", ""), ManifestRow("b", "")]
    rows = [{"video_id": "b", "frame": "1"}, {"video_id": "b", "frame": "2"}]
    assert by_video(rows, videos, "t.csv") == {"a": [], "b": rows}
    with pytest.raises(UserError, match=r"t\.csv: video b is not in the manifest; delete it and run again"):
        by_video(rows, videos[:1], "t.csv")


def test_a_short_reason_has_no_details():
    assert short_reason("video failed: clip.mp4: no such file") == "video failed"
    assert short_reason("noise") == "noise"


def test_evenly_chosen_items():
    assert spread(list(range(9)), 3) == [0, 4, 8]
    assert spread(range(100, 110), 4) == [100, 103, 106, 109]
    assert spread([1, 2], 3) == [1, 2]
    assert spread([1, 2], 0) == []
