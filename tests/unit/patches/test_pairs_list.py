import subprocess
import sys

import pytest

from tracklearn.errors import UserError
from tracklearn.patches.pairs_list import read_pairs, read_shard_lines, shard_starts


def test_pairs_keep_the_numbers_of_their_lines(tmp_path):
    (tmp_path / "l.txt").write_text("\na/0.jpg 1\n  \na/1.jpg 1\nb 0.jpg 2\nb/1.jpg 2")
    assert list(read_pairs(tmp_path / "l.txt")) == [
        ((2, "a/0.jpg 1"), (4, "a/1.jpg 1")),
        ((5, "b 0.jpg 2"), (6, "b/1.jpg 2")),
    ]


def test_a_line_without_a_partner_is_named(tmp_path):
    (tmp_path / "l.txt").write_text("0.jpg 1\n1.jpg 1\n\n2.jpg 2\n\n")
    with pytest.raises(UserError, match=r"l.txt, line 4: a query without a tracked patch; a pair is two lines"):
        sum(1 for _ in read_pairs(tmp_path / "l.txt"))


def test_a_shard_is_read_from_where_it_starts(tmp_path):
    lines = [f"ä/{number}.jpg {number // 2}" for number in range(10)]
    (tmp_path / "l.txt").write_text("\n" + "\n \n".join(lines) + "\n")
    starts = shard_starts(tmp_path / "l.txt", 2)
    shards = [read_shard_lines(tmp_path / "l.txt", start, 2) for start in starts]
    assert shards == [lines[:4], lines[4:8], lines[8:]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_of_other_programs_are_read(tmp_path, encoding):
    path = tmp_path / "l.txt"
    lines = [f"ä/{number}.jpg {number // 2}" for number in range(6)]
    path.write_text("\r\n".join(lines), encoding=encoding, newline="")
    assert [text for pair in read_pairs(path) for _, text in pair] == lines
    assert [read_shard_lines(path, start, 2) for start in shard_starts(path, 2)] == [lines[:4], lines[4:]]


def test_a_line_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "l.txt"
    path.write_text("a.jpg 1\nb.jpg 1\nä.jpg 2\nc.jpg 2\n", encoding="latin-1")
    with pytest.raises(UserError, match=r"l.txt, line 3: byte 0xe4 is neither UTF-8 nor"):
        sum(1 for _ in read_pairs(path))
    assert len(read_shard_lines(path, shard_starts(path, 2)[0], 2)) == 4  # the job names the line


def test_counting_names_a_line_without_a_partner(tmp_path):
    (tmp_path / "l.txt").write_text("0.jpg 1\n1.jpg 1\n\n2.jpg 2\n\n")
    with pytest.raises(UserError, match=r"l.txt, line 4: a query without a tracked patch; a pair is two lines"):
        shard_starts(tmp_path / "l.txt", 1)


def test_the_plan_reads_it_without_the_libraries_of_mining():
    code = "import sys, tracklearn.patches.pairs_list; print({'cv2', 'numpy', 'h5py', 'av'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
