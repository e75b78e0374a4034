import os
import random
from pathlib import Path

import pytest

from tracklearn.errors import UserError
from tracklearn.experiment import video_index as module
from tracklearn.experiment.file_digests import text_digest
from tracklearn.experiment.video_index import video_index
from tracklearn.videos.lists import Video, read_list, repeats

HEADER = "video_id\tsource\n"
KEPT = Path(".snakemake/tracklearn/videos.json")
LIST = Path("videos.tsv")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Blocks of 200 bytes, so that a short list has many."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "BLOCK", 200)


def lines_of_all_kinds(seed=0, count=200):
    """Lines with videos listed again, of every kind that a list may hold."""
    rng = random.Random(seed)
    for name in ("a.mp4", "b.mp4"):
        Path(name).touch()
    Path("link.mp4").symlink_to("a.mp4")
    kinds = [
        lambda: f"{rng.randrange(60):011d}",
        lambda: f"https://youtu.be/{rng.randrange(60):011d}",
        lambda: f"https://www.youtube.com/watch?v={rng.randrange(60):011d}",
        lambda: f"http://m.youtube.com/watch?t=1&v={rng.randrange(60):011d}",
        lambda: f"youtu.be/{rng.randrange(60):011d}",
        lambda: f"https://host/{rng.randrange(60)}.mp4#t=1",
        lambda: rng.choice(["a.mp4", "./a.mp4", "link.mp4", "b.mp4", "gone.mp4"]),
        lambda: f'"{rng.randrange(60)}, ä.mp4"',
    ]
    for number in range(count):
        name = rng.choice([f"v{number}", f'"v{number}"'])
        yield f"{name}\t{rng.choice(kinds)()}"
        yield from [""] * (rng.random() < 0.1)


def digests_of_single_videos(text):
    """Of the line, and of the video that it lists again."""
    lines = [line for line in text.splitlines()[1:] if line]
    first = repeats(read_list(LIST))
    again = (first.get(line.split("\t")[0].strip('"')) for line in lines)
    return [
        text_digest(line + (f"\n{line.split()[0].strip(chr(34))} {name}" if name else ""))
        for line, name in zip(lines, again, strict=True)
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_the_index_says_of_any_list_what_reading_it_whole_says(newline, encoding, end):
    text = newline.join([HEADER.rstrip(), *lines_of_all_kinds()]) + end.replace("\n", newline)
    LIST.write_text(text, encoding=encoding, newline="")
    videos = read_list(LIST)
    index = video_index(LIST, kept=KEPT)
    assert len(index) == len(videos) == 200
    assert index.repeats == repeats(videos)
    assert len(index.repeats) > 50
    assert (len(index.firsts) > 10) == (encoding != "utf-16")
    for start in range(0, 200, 7):
        for stop in (start + 1, min(start + 30, 200), 200):
            assert index.videos(range(start, stop)) == videos[start:stop]
    assert [index.digest(range(place, place + 1)) for place in range(200)] == digests_of_single_videos(text)
    assert video_index(LIST, kept=KEPT, of_job=True) == index


@pytest.mark.parametrize(
    "text",
    [
        "",
        "id,source\n",
        HEADER + "a\tx\nb\n",
        HEADER + "a b\tx\nb\ty\nc\t\n\nc\n",
        HEADER + "a\tx\n" * 2,
        HEADER + "".join(f"v{number % 49}\thttps://host/{number}\n" for number in range(50)),
        HEADER + "\n".join(f"v{number}\tx" for number in range(50)) + "\nv1\0\tx\n",
    ],
)
def test_the_line_of_a_bad_list_is_that_of_reading_it_whole(text):
    LIST.write_text(text)
    with pytest.raises(UserError) as expected:
        read_list(LIST)
    with pytest.raises(UserError) as found:
        video_index(LIST, kept=KEPT)
    assert str(found.value) == str(expected.value)
    assert not KEPT.exists()


def test_a_list_in_another_encoding_is_named_wherever_it_shows():
    LIST.write_bytes(HEADER.encode() + b"".join(b"v%d\tx\n" % number for number in range(100)) + b"w\t\xe4.mp4\n")
    with pytest.raises(UserError, match=r"videos\.tsv, line 102: byte 0xe4 is neither UTF-8 nor"):
        video_index(LIST, kept=KEPT)


def test_a_missing_list_has_the_remedy():
    with pytest.raises(UserError, match="no list of videos; make one"):
        video_index(LIST, kept=KEPT)


def refuse(*_):
    raise AssertionError("the list is read as a whole")


def test_a_job_reads_the_rows_of_its_shard_and_not_the_list(monkeypatch):
    LIST.write_text(HEADER + "".join(f"v{number}\thttps://host/{number}\n" for number in range(1000)))
    video_index(LIST, kept=KEPT)
    monkeypatch.setattr(module, "_indexed", refuse)
    assert video_index(LIST, kept=KEPT).videos(range(500, 502)) == [
        Video("v500", "https://host/500"),
        Video("v501", "https://host/501"),
    ]
    os.utime(LIST, (0, 0))
    with pytest.raises(AssertionError, match="the list is read as a whole"):
        video_index(LIST, kept=KEPT, of_job=True)


def test_appended_videos_are_found_and_so_are_repeats_of_earlier_ones():
    LIST.write_text(HEADER + "a\tdQw4w9WgXcQ\n")
    assert video_index(LIST, kept=KEPT).repeats == {}
    with LIST.open("a") as file:
        file.write("b\thttps://youtu.be/dQw4w9WgXcQ\n")
    index = video_index(LIST, kept=KEPT, of_job=True)
    assert (len(index), index.repeats) == (2, {"b": "a"})


def test_an_edited_block_is_refused_and_the_others_are_read(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 1)  # a block a line, the header being the first
    LIST.write_text(HEADER + "a\ta.mp4\nb\tb.mp4\nc\tc.mp4\n")
    index = video_index(LIST, kept=KEPT)
    assert index.firsts == [0, 0, 1, 2, 3]
    LIST.write_text(HEADER + "a\ta.mp4\nB\tb.mp4\nc\tc.mp4\n")
    assert [index.videos(range(place, place + 1))[0].video_id for place in (0, 2)] == ["a", "c"]
    for read in (index.videos, index.digest):
        for positions in (range(1, 2), range(3)):
            with pytest.raises(UserError, match=f"^{LIST}: changed during the run; run again$"):
                read(positions)


def test_a_file_that_takes_another_ones_place_counts_in_the_next_run():
    """The list itself stays as it is."""
    Path("a.mp4").write_text("one")
    Path("dQw4w9WgXcQ").symlink_to("a.mp4")
    LIST.write_text(HEADER + "a\ta.mp4\nb\tb.mp4\nc\tdQw4w9WgXcQ\n")
    assert video_index(LIST, kept=KEPT).repeats == {"c": "a"}
    Path("b.mp4").hardlink_to("a.mp4")
    Path("dQw4w9WgXcQ").unlink()
    assert video_index(LIST, kept=KEPT).repeats == {"b": "a"}
    Path("b.mp4").unlink()
    assert video_index(LIST, kept=KEPT, of_job=True).repeats == {"b": "a"}  # as its run
    assert video_index(LIST, kept=KEPT).repeats == {}


def test_videos_whose_hashes_are_equal_by_chance_are_not_taken_for_one(monkeypatch):
    LIST.write_text(HEADER + "".join(f"v{number}\thttps://host/{number // 2}\n" for number in range(100)))
    monkeypatch.setattr(module, "_shared", lambda hashes: list(range(len(hashes))))
    assert video_index(LIST, kept=KEPT).repeats == {f"v{number + 1}": f"v{number}" for number in range(0, 100, 2)}
