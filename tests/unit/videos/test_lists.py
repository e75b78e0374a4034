import subprocess
import sys
import time
from pathlib import Path

import pytest
import yt_dlp

from tracklearn.errors import UserError
from tracklearn.videos import lists
from tracklearn.videos.lists import Video, build_list, is_youtube, ledger_of, plan_shards, read_list

HEADER = "video_id\tsource\n"


def some(count: int) -> list[Video]:
    return [Video(f"v{i}", f"clips/v{i}.mp4") for i in range(count)]


def test_list_is_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "l.tsv").write_text(HEADER + "b\tclips/b 1.mp4\n\n-a_B.9\thttps://host/a?x=1\n")
    assert read_list(tmp_path / "l.tsv") == [Video("b", "clips/b 1.mp4"), Video("-a_B.9", "https://host/a?x=1")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"l.tsv, line 1: '': expected the header 'video_id<TAB>source'"),
        ("id,source\n", r"l.tsv, line 1: 'id,source': expected the header"),
        (HEADER + "a\tx\nb\n", r"l.tsv, line 3: 'b': expected 'video_id<TAB>source'"),
        (HEADER + "a\t \n", r"l.tsv, line 2: .* expected 'video_id<TAB>source'"),
        (HEADER + "../a\tx\n", r"l.tsv, line 2: video_id '../a' cannot name a file"),
        (HEADER + ".a\tx\n", r"l.tsv, line 2: video_id '.a' cannot name a file"),
        (HEADER + "a\tx\nb\ty\na\tz\n", r"l.tsv, line 4: video_id 'a' is in the list already"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "l.tsv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_list(tmp_path / "l.tsv")


def test_missing_list_tells_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"l.tsv: no list of videos; make one: python -m tracklearn.videos.lists"):
        read_list(tmp_path / "l.tsv")


def test_shards_cover_the_list_in_order() -> None:
    shards = plan_shards(some(7), [], 3)
    assert list(shards) == ["00000", "00001", "00002"]
    assert [len(shard) for shard in shards.values()] == [3, 3, 1]
    assert [video for shard in shards.values() for video in shard] == some(7)


def test_an_append_starts_a_new_shard_and_moves_none() -> None:
    before = plan_shards(some(7), [], 3)
    after = plan_shards(some(12), ledger_of(before), 3)
    assert {name: after[name] for name in before} == before
    assert [len(shard) for shard in after.values()] == [3, 3, 1, 3, 2]
    assert plan_shards(some(7), ledger_of(before), 3) == before


def test_another_shard_size_holds_for_new_shards_only() -> None:
    assert ledger_of(plan_shards(some(10), [3, 3], 2)) == [3, 3, 2, 2]


def test_no_videos_no_shards() -> None:
    assert plan_shards([], [], 3) == {}


def test_a_list_that_shrank_is_an_error() -> None:
    with pytest.raises(UserError, match="the list holds 5 videos but 6 are cut into shards already: it is append-only"):
        plan_shards(some(5), [3, 3], 3)


def test_a_hundred_thousand_ids_are_read_and_cut_at_once(tmp_path: Path) -> None:
    (tmp_path / "l.tsv").write_text(HEADER + "".join(f"{i:011d}\t{i:011d}\n" for i in range(100_000)))
    start = time.perf_counter()
    assert len(plan_shards(read_list(tmp_path / "l.tsv"), [], 100)) == 1000
    assert time.perf_counter() - start < 3


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


def test_ids_file_of_ids_and_urls(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text(
        "# a public list\ndQw4w9WgXcQ\nhttps://www.youtube.com/watch?t=3&v=abcdefghi-_&list=x\n"
        "https://youtu.be/dQw4w9WgXcQ\n\nhttps://host/clip.mp4\n"
    )
    out = tmp_path / "data" / "l.tsv"
    assert build_list(out=out, ids_file=tmp_path / "ids.txt") == 3
    videos = read_list(out)
    assert videos[:2] == [Video("dQw4w9WgXcQ", "dQw4w9WgXcQ"), Video("abcdefghi-_", "abcdefghi-_")]
    assert videos[2].source == "https://host/clip.mp4"
    assert videos[2].video_id.startswith("url-")


def test_column_of_a_public_table(tmp_path: Path) -> None:
    (tmp_path / "kinetics.csv").write_text('label,youtube_id,time\n"to, fro",dQw4w9WgXcQ,3\njump,abcdefghijk,0\n')
    build_list(out=tmp_path / "l.tsv", ids_file=tmp_path / "kinetics.csv", column="youtube_id")
    assert [video.video_id for video in read_list(tmp_path / "l.tsv")] == ["dQw4w9WgXcQ", "abcdefghijk"]
    with pytest.raises(UserError, match=r"kinetics.csv: no column 'id' in its header 'label,youtube_id,time'"):
        build_list(out=tmp_path / "l.tsv", ids_file=tmp_path / "kinetics.csv", column="id")


def test_a_line_that_is_no_id_is_named(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("dQw4w9WgXcQ\nnot an id\n")
    with pytest.raises(UserError, match="line 2: 'not an id' is neither a YouTube id nor a URL"):
        build_list(out=tmp_path / "l.tsv", ids_file=tmp_path / "ids.txt")


def test_list_is_append_only(tmp_path: Path) -> None:
    out = tmp_path / "l.tsv"
    out.write_text(HEADER + "mine\tclips/mine.mp4\nbbbbbbbbbbb\tbbbbbbbbbbb\n")
    before = out.read_text()
    (tmp_path / "ids.txt").write_text("aaaaaaaaaaa\nbbbbbbbbbbb\naaaaaaaaaaa\n")
    assert build_list(out=out, ids_file=tmp_path / "ids.txt") == 1
    assert out.read_text() == before + "aaaaaaaaaaa\taaaaaaaaaaa\n"
    assert build_list(out=out, ids_file=tmp_path / "ids.txt") == 0


def test_keywords_are_searched_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("# comment\nred panda\n\nclosed\njuggling\n")
    asked, told = [], []

    def search(keyword: str, count: int) -> list[str]:
        asked.append((keyword, count))
        if keyword == "closed":
            raise UserError("search for 'closed' failed: HTTP 429")
        return ["sharedvideo", f"{keyword[:3]}".ljust(11, "_")]

    out = tmp_path / "l.tsv"
    assert (
        build_list(out=out, keywords_file=tmp_path / "words.txt", per_keyword=7, search=search, tell=told.append) == 3
    )
    assert asked == [("red panda", 7), ("closed", 7), ("juggling", 7)]
    assert [video.video_id for video in read_list(out)] == ["sharedvideo", "red________", "jug________"]
    assert told == ["red panda: 2 videos", "search for 'closed' failed: HTTP 429", "juggling: 2 videos"]


def test_found_videos_are_kept_when_the_search_breaks_off(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one\ntwo\n")

    def search(keyword: str, count: int) -> list[str]:
        if keyword == "two":
            raise KeyboardInterrupt
        return ["aaaaaaaaaaa"]

    with pytest.raises(KeyboardInterrupt):
        build_list(out=tmp_path / "l.tsv", keywords_file=tmp_path / "words.txt", search=search)
    assert [video.video_id for video in read_list(tmp_path / "l.tsv")] == ["aaaaaaaaaaa"]


def test_no_search_succeeds(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one\ntwo\n")

    def search(keyword: str, count: int) -> list[str]:
        raise UserError(f"search for {keyword!r} failed: no network")

    with pytest.raises(UserError, match="search for 'two' failed: no network"):
        build_list(out=tmp_path / "l.tsv", keywords_file=tmp_path / "words.txt", search=search)
    assert not (tmp_path / "l.tsv").exists()


def test_search_asks_yt_dlp(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def extract_info(self: yt_dlp.YoutubeDL, url: str, download: bool) -> dict[str, object]:
        asked.append((url, download, self.params["extract_flat"]))
        return {"entries": [{"id": "dQw4w9WgXcQ"}, {"id": "UC_a_channel_of_24_chars"}]}

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract_info)
    assert lists.youtube_search("red panda", 5) == ["dQw4w9WgXcQ"]
    assert asked == [("ytsearch5:red panda", False, True)]


def test_search_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def extract_info(self: yt_dlp.YoutubeDL, url: str, download: bool) -> None:
        raise yt_dlp.utils.DownloadError("HTTP Error 429")

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract_info)
    with pytest.raises(UserError, match="search for 'red panda' failed: HTTP Error 429"):
        lists.youtube_search("red panda", 5)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ids.txt").write_text("dQw4w9WgXcQ\n")
    out = str(tmp_path / "l.tsv")
    assert lists._main(["--ids", str(tmp_path / "ids.txt"), "--out", out]) == 0
    assert capsys.readouterr().out == f"{out}: 1 videos appended\n"
    assert lists._main(["--keywords", str(tmp_path / "none.txt"), "--out", out]) == 1
    assert capsys.readouterr().err == f"{tmp_path}/none.txt: no such file\n"


def test_import_is_light() -> None:
    code = "import sys, tracklearn.videos.lists; print({'yt_dlp', 'av', 'cv2', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
