import subprocess
import sys
from pathlib import Path

import pytest

from tracklearn.errors import UserError
from tracklearn.videos.lists import Video, identity, is_youtube, ledger_of, plan_shards, read_list, repeats, youtube_id

HEADER = "video_id\tsource\n"


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
    assert plan_shards(7, [], 3) == {"00000": range(3), "00001": range(3, 6), "00002": range(6, 7)}


def test_appended_videos_start_a_new_shard_and_move_none() -> None:
    before = plan_shards(7, [], 3)
    after = plan_shards(12, ledger_of(before), 3)
    assert {name: after[name] for name in before} == before
    assert [len(shard) for shard in after.values()] == [3, 3, 1, 3, 2]
    assert plan_shards(7, ledger_of(before), 3) == before


def test_another_shard_size_applies_to_new_shards() -> None:
    assert ledger_of(plan_shards(10, [3, 3], 2)) == [3, 3, 2, 2]


def test_no_videos_no_shards() -> None:
    assert plan_shards(0, [], 3) == {}


def test_a_list_that_shrank_is_an_error() -> None:
    with pytest.raises(UserError, match="the list has 5 videos, but shards were cut from 6; restore the missing lines"):
        plan_shards(5, [3, 3], 3)


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
    (tmp_path / "youtu.be").mkdir()
    (tmp_path / f"youtu.be/{ID}").touch()
    assert not is_youtube(f"youtu.be/{ID}")
    assert identity(f"youtu.be/{ID}") != identity(ID)


ID = "dQw4w9WgXcQ"
ADDRESSES = [
    ID,
    f"https://www.youtube.com/watch?v={ID}",
    f"https://www.youtube.com/watch?v={ID}&t=15s",
    f"https://www.youtube.com/watch?list=PL0&v={ID}&index=3#top",
    f"http://youtube.com/watch?app=desktop&v={ID}",
    f"https://m.youtube.com/watch?v={ID}&pp=ygU",
    f"https://music.youtube.com/watch?v={ID}&list=RDAMVM{ID}",
    f"https://WWW.YouTube.com/watch?v={ID}",
    f"https://youtu.be/{ID}",
    f"https://youtu.be/{ID}?si=abc&t=3",
    f"https://www.youtube.com/shorts/{ID}?feature=share",
    f"https://www.youtube.com/embed/{ID}?start=5",
    f"https://www.youtube-nocookie.com/embed/{ID}",
    f"https://www.youtube.com/live/{ID}",
    f"https://www.youtube.com/v/{ID}",
    f"youtu.be/{ID}",
    f"www.youtube.com/watch?v={ID}&t=15s",
    f"https://www.youtube.com/attribution_link?a=x_y&u=%2Fwatch%3Fv%3D{ID}%26feature%3Dshare",
    f"http://www.youtube.com/attribution_link?u=/watch?v={ID}&a=x_y",
]


@pytest.mark.parametrize("source", ADDRESSES)
def test_addresses_of_one_youtube_video(source: str) -> None:
    assert is_youtube(source)
    assert youtube_id(source) == ID
    assert identity(source) == identity(ID)


@pytest.mark.parametrize(
    "source",
    [
        f"https://youtu.be/{ID.lower()}",
        f"https://youtu.be/{ID}x",
        "https://www.youtube.com/playlist?list=PL0123456789",
        f"https://vimeo.com/{ID}",
        f"https://notyoutube.com/watch?v={ID}",
        f"https://host/watch?u=https://youtu.be/{ID}",
        f"clips/{ID}",
        f"notyoutu.be/{ID}",
        f"https://www.youtube.com/attribution_link?u=%2Fplaylist%3Flist%3D{ID}",
    ],
)
def test_addresses_of_other_videos(source: str) -> None:
    assert youtube_id(source) != ID
    assert identity(source) != identity(ID)


def test_which_lines_repeat_a_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line of a video is kept; files with the same content but no link between them are two."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "copy.mp4"):
        (tmp_path / name).write_bytes(b"same")
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    (tmp_path / "hard.mp4").hardlink_to("a.mp4")
    (tmp_path / ID).write_bytes(b"a file with the name of an id")
    sources = {
        "file": ["a.mp4", "./a.mp4", str(tmp_path / "a.mp4"), "link.mp4", "hard.mp4"],
        "copy": ["copy.mp4"],
        "missing": ["b.mp4", "x/../b.mp4"],
        "named": [ID],
        "web": ["https://host/c.mp4?a=1", "http://HOST/c.mp4?a=1#t=5"],
        "other": ["https://host/c.mp4?a=2"],
        "www": ["https://www.vimeo.com/1", "https://vimeo.com/1", "http://vimeo.com/1/"],
        "tube": ADDRESSES[1:],
    }
    videos = [Video(f"{name}{n}", source) for name, alike in sources.items() for n, source in enumerate(alike)]
    expected = {f"{name}{n}": f"{name}0" for name, alike in sources.items() for n in range(1, len(alike))}
    assert repeats(videos) == expected


@pytest.mark.real
def test_the_reported_list_holds_one_video(real_data: Path) -> None:
    videos = read_list(real_data / "cases/lists/videos_dup.tsv")
    assert repeats(videos) == {"second": "first", "third": "first"}


def test_import_is_light() -> None:
    code = "import sys, tracklearn.videos.lists; print({'yt_dlp', 'av', 'cv2', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
