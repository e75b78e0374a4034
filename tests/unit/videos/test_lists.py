import subprocess
import sys
import time
from pathlib import Path

import pytest

from tracklearn.errors import UserError
from tracklearn.videos.lists import Video, is_youtube, ledger_of, plan_shards, read_list

HEADER = "video_id\tsource\n"


def some_videos(count: int) -> list[Video]:
    return [Video(f"v{i}", f"clips/v{i}.mp4") for i in range(count)]


def test_list_is_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "l.tsv").write_text(HEADER + "b\tclips/b 1.mp4\n\n-a_B.9\thttps://host/a?x=1\n")
    assert read_list(tmp_path / "l.tsv") == [Video("b", "clips/b 1.mp4"), Video("-a_B.9", "https://host/a?x=1")]


def test_list_of_a_spreadsheet(tmp_path: Path) -> None:
    text = HEADER + 'a\tclips/ä.mp4\nb\t"clips/one, ""two"".mp4"\n'
    (tmp_path / "l.tsv").write_text(text.replace("\n", "\r\n"), encoding="utf-16", newline="")
    assert read_list(tmp_path / "l.tsv") == [Video("a", "clips/ä.mp4"), Video("b", 'clips/one, "two".mp4')]


@pytest.mark.real
def test_list_that_somebody_saved_as_unicode_text(real_data: Path) -> None:
    assert read_list(real_data / "cases/lists/videos_utf16.tsv") == [Video("a", "clips/a.mp4")]


def test_list_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "l.tsv").write_text(HEADER + "a\tclips/ä.mp4\n", encoding="latin-1")
    with pytest.raises(UserError, match=r"l.tsv, line 2: byte 0xe4 is neither UTF-8 nor"):
        read_list(tmp_path / "l.tsv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"l.tsv, line 1: ''; expected the header 'video_id<TAB>source'"),
        ("id,source\n", r"l.tsv, line 1: 'id,source'; expected the header"),
        (HEADER + "a\tx\nb\n", r"l.tsv, line 3: 'b'; expected 'video_id<TAB>source'"),
        (HEADER + "a\t \n", r"l.tsv, line 2: .* expected 'video_id<TAB>source'"),
        (HEADER + "../a\tx\n", r"l.tsv, line 2: video_id '../a' is not safe as a file name"),
        (HEADER + ".a\tx\n", r"l.tsv, line 2: video_id '.a' is not safe as a file name"),
        (HEADER + "a b\tx\nb\ty\nc\t\n\nc\n", r"l.tsv, line 2: video_id 'a b' .* \(further bad lines: 4, 6\)$"),
        (HEADER + "a\tx\nb\ty\na\tz\n", r"l.tsv, line 4: video_id 'a' is in an earlier line too"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "l.tsv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_list(tmp_path / "l.tsv")


def test_the_error_of_a_missing_list_has_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"l.tsv: no list of videos; make one: python -m tracklearn.videos.build_list --folder"
    ):
        read_list(tmp_path / "l.tsv")


def test_shards_cover_the_list_in_order() -> None:
    shards = plan_shards(some_videos(7), [], 3)
    assert list(shards) == ["00000", "00001", "00002"]
    assert [len(shard) for shard in shards.values()] == [3, 3, 1]
    assert [video for shard in shards.values() for video in shard] == some_videos(7)


def test_appended_videos_start_a_new_shard_and_move_none() -> None:
    before = plan_shards(some_videos(7), [], 3)
    after = plan_shards(some_videos(12), ledger_of(before), 3)
    assert {name: after[name] for name in before} == before
    assert [len(shard) for shard in after.values()] == [3, 3, 1, 3, 2]
    assert plan_shards(some_videos(7), ledger_of(before), 3) == before


def test_another_shard_size_applies_to_new_shards() -> None:
    assert ledger_of(plan_shards(some_videos(10), [3, 3], 2)) == [3, 3, 2, 2]


def test_no_videos_no_shards() -> None:
    assert plan_shards([], [], 3) == {}


def test_a_list_that_shrank_is_an_error() -> None:
    with pytest.raises(UserError, match="the list has 5 videos, but shards were cut from 6; restore the missing lines"):
        plan_shards(some_videos(5), [3, 3], 3)


def test_a_hundred_thousand_ids_are_read_and_cut_quickly(tmp_path: Path) -> None:
    (tmp_path / "l.tsv").write_text(HEADER + "".join(f"{i:011d}\t{i:011d}\n" for i in range(100_000)))
    start = time.process_time()
    assert len(plan_shards(read_list(tmp_path / "l.tsv"), [], 100)) == 1000
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("dQw4w9WgXcQ", True),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", True),
        ("https://youtu.be/dQw4w9WgXcQ", True),
        ("https://host/youtube.com", False),
        ("https://notyoutube.com/watch", False),
        ("clips/abc.mp4", False),
        ("abcdefg.mp4", False),  # eleven characters
    ],
)
def test_which_sources_are_youtube(source: str, expected: bool) -> None:
    assert is_youtube(source) is expected


def test_a_file_named_like_an_id_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_youtube("videos_file")
    (tmp_path / "videos_file").touch()
    assert not is_youtube("videos_file")


def test_import_is_light() -> None:
    code = "import sys, tracklearn.videos.lists; print({'yt_dlp', 'av', 'cv2', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
