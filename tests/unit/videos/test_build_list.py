import re
from pathlib import Path

import pytest
import yt_dlp

from tracklearn.errors import UserError
from tracklearn.experiment.code_digests import Code
from tracklearn.videos import build_list as builder
from tracklearn.videos.build_list import build_list
from tracklearn.videos.lists import Video, read_list

HEADER = "video_id\tsource\n"


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
    with pytest.raises(UserError, match=r"kinetics.csv: no column 'id' in the header 'label,youtube_id,time'"):
        build_list(out=tmp_path / "l.tsv", ids_file=tmp_path / "kinetics.csv", column="id")


def test_all_lines_without_an_id_are_named_and_the_others_are_listed(tmp_path: Path) -> None:
    ids, out, lines = tmp_path / "ids.csv", tmp_path / "l.tsv", list[str]()
    ids.write_text("video_id,start\ndQw4w9WgXcQ,1\n#NAME?,2\n-UGmleOV42Y,3\n1.2E+10,4\n")
    assert build_list(out=out, ids_file=ids, column="video_id", print_line=lines.append) == 2
    assert [video.video_id for video in read_list(out)] == ["dQw4w9WgXcQ", "-UGmleOV42Y"]
    assert len(lines) == 2
    assert (
        "ids.csv, line 3: left out, because '#NAME?' is neither a YouTube id nor a URL; a spreadsheet takes" in lines[0]
    )
    assert lines[1].endswith("ids.csv, line 5: left out, because '1.2E+10' is neither a YouTube id nor a URL")


@pytest.mark.parametrize("column", ["id", None])
@pytest.mark.parametrize(
    "spoilt", ["#NAME?", "#VALUE!", "#REF!", "#NULL!", "#NUM!", "#DIV/0!", "#N/A", "#WERT!", " #NAME? "]
)
def test_an_id_that_a_spreadsheet_spoilt_is_no_comment(tmp_path: Path, column: str | None, spoilt: str) -> None:
    lines = list[str]()
    first = column or "# a comment"
    (tmp_path / "ids.csv").write_text(f"{first}\ndQw4w9WgXcQ\n{spoilt}\n-UGmleOV42Y\n")
    arguments = {"ids_file": tmp_path / "ids.csv", "column": column, "print_line": lines.append}
    assert build_list(out=tmp_path / "l.tsv", **arguments) == 2  # type: ignore[arg-type]
    (line,) = lines
    assert f"ids.csv, line 3: left out, because '{spoilt.strip()}' is neither a YouTube id nor a URL; a spread" in line


def test_a_keyword_that_a_spreadsheet_spoilt_is_not_searched(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("#NAME?\n#comment\nred panda\n")
    lines = list[str]()
    words = tmp_path / "words.txt"
    build_list(out=tmp_path / "l.tsv", keywords_file=words, search=lambda *_: ["a" * 11], print_line=lines.append)
    assert lines == ["#NAME?: left out, because a spreadsheet spoilt this keyword", "red panda: 1 videos"]


@pytest.mark.real
def test_a_public_list_that_a_spreadsheet_spoilt(tmp_path: Path, real_data: Path) -> None:
    lines = list[str]()
    case = real_data / "cases/lists/how2r.csv"
    assert build_list(out=tmp_path / "l.tsv", ids_file=case, column="video_id", print_line=lines.append) == 2
    assert len(lines) == 1


def test_a_list_without_any_id_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("not an id\nneither\n")
    with pytest.raises(UserError, match=r"line 1: 'not an id' is neither .* \(further bad lines: 2\)"):
        build_list(out=tmp_path / "l.tsv", ids_file=tmp_path / "ids.txt")
    assert not (tmp_path / "l.tsv").exists()


def test_only_the_first_of_many_spoilt_lines_are_printed(tmp_path: Path) -> None:
    lines = list[str]()
    (tmp_path / "ids.txt").write_text("dQw4w9WgXcQ\n" + 150 * "?\n")
    build_list(out=tmp_path / "l.tsv", ids_file=tmp_path / "ids.txt", print_line=lines.append)
    assert len(lines) == 101
    assert lines[-1].endswith("ids.txt: 50 more lines are left out, all for such reasons")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_and_keywords_of_any_program(tmp_path: Path, encoding: str, delimiter: str) -> None:
    table = tmp_path / "t.csv"
    table.write_text(f'a b{delimiter}id\r\n"x,;é"{delimiter}dQw4w9WgXcQ\r\n', encoding=encoding, newline="")
    build_list(out=tmp_path / "l.tsv", ids_file=table, column="id")
    assert [video.video_id for video in read_list(tmp_path / "l.tsv")] == ["dQw4w9WgXcQ"]
    (tmp_path / "words.txt").write_text("chien\r\nécureuil\r\n", encoding=encoding, newline="")
    asked = list[str]()
    build_list(
        out=tmp_path / "l.tsv",
        keywords_file=tmp_path / "words.txt",
        search=lambda keyword, count: asked.append(keyword) or [],  # type: ignore[func-returns-value]
    )
    assert asked == ["chien", "écureuil"]


def test_a_table_with_an_open_quote_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('id\ndQw4w9WgXcQ\n"' + 20_000 * "dQw4w9WgXcQ\n")
    with pytest.raises(UserError, match=r"t.csv, line \d+: field larger than field limit .*; look for a quote"):
        build_list(out=tmp_path / "l.tsv", ids_file=tmp_path / "t.csv", column="id")
    assert len(read_list(tmp_path / "l.tsv")) == 1


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
    asked, lines = [], []

    def search(keyword: str, count: int) -> list[str]:
        asked.append((keyword, count))
        if keyword == "closed":
            raise UserError("search for 'closed' failed: HTTP 429")
        return ["sharedvideo", f"{keyword[:3]}".ljust(11, "_")]

    out = tmp_path / "l.tsv"
    assert (
        build_list(out=out, keywords_file=tmp_path / "words.txt", per_keyword=7, search=search, print_line=lines.append)
        == 3
    )
    assert asked == [("red panda", 7), ("closed", 7), ("juggling", 7)]
    assert [video.video_id for video in read_list(out)] == ["sharedvideo", "red________", "jug________"]
    assert lines == ["red panda: 2 videos", "search for 'closed' failed: HTTP 429", "juggling: 2 videos"]


def test_results_are_kept_when_the_search_is_interrupted(tmp_path: Path) -> None:
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


def test_the_files_of_a_folder(tmp_path: Path) -> None:
    names = [
        "b  two.MP4",
        "été.mkv",
        "photo.jpg",
        "a/clip.webm",
        "b/clip.mov",
        "empty.mp4",
        ".hidden.mp4",
        ".git/x.mp4",
    ]
    folder = tmp_path / "my videos"
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * (0 if name == "empty.mp4" else number + 1))
    (folder / "nothing").mkdir()
    out = tmp_path / "l.tsv"
    assert build_list(out=out, folder=folder) == 5
    videos = read_list(out)
    listed = ["a/clip.webm", "b  two.MP4", "b/clip.mov", "empty.mp4", "été.mkv"]
    assert [video.source for video in videos] == [str(folder / name) for name in listed]
    ids = [video.video_id for video in videos]
    assert [ids[0], ids[1], *ids[3:]] == ["clip", "b_two", "empty", "ete"]
    assert re.fullmatch("clip-[0-9a-f]{8}", ids[2])


def test_a_file_that_was_added_to_the_folder_is_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clips").mkdir()
    Path("clips/m.mp4").write_bytes(b"m")
    assert build_list(out="l.tsv", folder="clips") == 1
    before = Path("l.tsv").read_text()
    Path("clips/a.mp4").write_bytes(b"a")
    assert build_list(out="l.tsv", folder="clips") == 1
    assert Path("l.tsv").read_text() == f"{before}a\t{tmp_path}/clips/a.mp4\n"


def test_a_copy_and_a_name_that_no_list_can_hold_are_left_out(tmp_path: Path) -> None:
    for name, content in {"a.mp4": b"same", "b.mp4": b"same", "c.mp4": b"else", "d\te.mp4": b"tab"}.items():
        (tmp_path / name).write_bytes(content)
    lines: list[str] = []
    for appended in (2, 0):
        assert build_list(out=tmp_path / "l.tsv", folder=tmp_path, print_line=lines.append) == appended
        copy, name = lines[-2:]
        assert copy == f"{tmp_path}/b.mp4: left out, because it has the same bytes as {tmp_path}/a.mp4"
        assert "d\\te.mp4': left out, because a list cannot hold this name" in name


def test_a_file_that_cannot_be_read_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"same")

    def cmp(first: str, second: str, *, shallow: bool) -> bool:
        raise PermissionError(13, "Permission denied", first)

    monkeypatch.setattr(builder.filecmp, "cmp", cmp)
    assert build_list(out=tmp_path / "l.tsv", folder=tmp_path) == 2


def test_the_twin_of_a_copy_is_the_first_of_the_list(tmp_path: Path) -> None:
    sources = [tmp_path / name for name in ("z.mp4", "y.mp4", "x.mp4")]
    for file in [*sources, tmp_path / "a.mp4"]:
        file.write_bytes(b"same")
    (tmp_path / "l.tsv").write_text("".join(["video_id\tsource\n", *(f"{file.stem}\t{file}\n" for file in sources)]))
    lines: list[str] = []
    assert build_list(out=tmp_path / "l.tsv", folder=tmp_path, print_line=lines.append) == 0
    assert lines == [f"{tmp_path}/a.mp4: left out, because it has the same bytes as {tmp_path}/z.mp4"]


def test_a_folder_without_videos(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(UserError, match=f"^{tmp_path}: no video file in this folder; expected one of .3gp, .avi"):
        build_list(out=tmp_path / "l.tsv", folder=tmp_path)
    with pytest.raises(UserError, match=f"^{tmp_path}/none: no such folder"):
        build_list(out=tmp_path / "l.tsv", folder=tmp_path / "none")
    assert not (tmp_path / "l.tsv").exists()


def test_the_list_of_everyday_words_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def search(keyword: str, count: int) -> list[str]:
        asked.append((keyword, count))
        return [f"{len(asked):011d}"]

    monkeypatch.setattr(builder, "youtube_search", search)
    assert builder._main(["--keywords", "--out", str(tmp_path / "l.tsv")]) == 0
    assert len(read_list(tmp_path / "l.tsv")) == len(asked) == len(set(asked))
    assert len(asked) >= 150
    assert ("dog", 50) in asked


def test_search_asks_yt_dlp(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def extract_info(self: yt_dlp.YoutubeDL, url: str, download: bool) -> dict[str, object]:
        asked.append((url, download, self.params["extract_flat"]))
        return {"entries": [{"id": "dQw4w9WgXcQ"}, {"id": "UC_a_channel_of_24_chars"}]}

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract_info)
    assert builder.youtube_search("red panda", 5) == ["dQw4w9WgXcQ"]
    assert asked == [("ytsearch5:red panda", False, True)]


def test_search_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def extract_info(self: yt_dlp.YoutubeDL, url: str, download: bool) -> None:
        raise yt_dlp.utils.DownloadError("HTTP Error 429")

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract_info)
    with pytest.raises(UserError, match="search for 'red panda' failed: HTTP Error 429"):
        builder.youtube_search("red panda", 5)


def test_a_video_under_another_address_is_not_listed_again(tmp_path: Path) -> None:
    (tmp_path / "l.tsv").write_text(HEADER + "mine\thttps://www.youtube.com/watch?v=dQw4w9WgXcQ&t=15s\n")
    (tmp_path / "ids.txt").write_text(
        "dQw4w9WgXcQ\nhttps://music.youtube.com/watch?v=dQw4w9WgXcQ\nhttps://host/a.mp4\nhttp://host/a.mp4\n"
    )
    assert build_list(out=tmp_path / "l.tsv", ids_file=tmp_path / "ids.txt") == 1
    assert [video.source for video in read_list(tmp_path / "l.tsv")[1:]] == ["https://host/a.mp4"]


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ids.txt").write_text("dQw4w9WgXcQ\n")
    out = str(tmp_path / "l.tsv")
    assert builder._main(["--ids", str(tmp_path / "ids.txt"), "--out", out]) == 0
    assert capsys.readouterr().out == f"{out}: 1 videos appended\n"
    (tmp_path / "clip.mp4").touch()
    assert builder._main(["--folder", str(tmp_path), "--out", out]) == 0
    assert capsys.readouterr().out == f"{out}: 1 videos appended\n"
    assert builder._main(["--keywords", str(tmp_path / "none.txt"), "--out", out]) == 1
    assert capsys.readouterr().err == f"{tmp_path}/none.txt: no such file\n"


def test_an_edit_of_the_search_reruns_no_download(repository: Path) -> None:
    names = {path.name for path in Code().reachable(repository / "workflow/scripts/videos/videos_download.py")}
    assert "lists.py" in names
    assert "build_list.py" not in names
