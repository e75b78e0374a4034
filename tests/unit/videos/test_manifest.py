from pathlib import Path

import pytest

from tracklearn.errors import UserError
from tracklearn.videos.manifest import COLUMNS, ManifestRow, read_manifest, write_manifest

GOOD = ManifestRow("a", "clips/a.mp4", "clips/a.mp4", "ok", "", 1234, "ab" * 32, 60, 29.97, 640, 360, 2.002, 90)


def test_round_trip(tmp_path: Path) -> None:
    bad = ManifestRow("b", "https://host/b", reason="HTTP 404 Not Found")
    write_manifest(tmp_path / "m.tsv", [GOOD, bad])
    assert read_manifest(tmp_path / "m.tsv") == [GOOD, bad]
    assert [row.ok for row in (GOOD, bad)] == [True, False]


def test_columns_are_the_header(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.tsv", [])
    expected = "video_id source path status reason bytes sha256 frames fps width height duration rotation mirrored"
    assert (tmp_path / "m.tsv").read_text() == expected.replace(" ", "\t") + "\n"
    assert " ".join(COLUMNS) == expected


def test_tabs_and_quotes_in_a_reason_stay_in_their_cell(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.tsv", [ManifestRow("b", "s", reason='no\t"such\nthing')])
    assert read_manifest(tmp_path / "m.tsv")[0].reason == 'no "such thing'


def test_two_spaces_in_a_path_stay(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.tsv", [ManifestRow("b", "my  clip.mp4", "my  clip.mp4")])
    assert read_manifest(tmp_path / "m.tsv")[0].path == "my  clip.mp4"


def test_a_file_that_is_no_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("a,b\n")
    with pytest.raises(UserError, match=r"m.tsv: not a manifest: its first line is not video_id source"):
        read_manifest(tmp_path / "m.tsv")
    write_manifest(tmp_path / "m.tsv", [GOOD])
    text = (tmp_path / "m.tsv").read_text()
    (tmp_path / "m.tsv").write_text(text.replace("1234", "many"))
    with pytest.raises(UserError, match=r"m.tsv, line 2: invalid literal for int\(\).*'many'; delete it"):
        read_manifest(tmp_path / "m.tsv")
