import errno
import os
import subprocess
import sys

import pytest

from tracklearn.errors import UserError
from tracklearn.files import atomic, check_readable, check_writable, disk_full, keep_text, read_text
from tracklearn.photos import read_photo, read_pixels

KILLED = """
import os, signal, sys
from tracklearn.files import atomic
with atomic(sys.argv[1]) as temporary:
    temporary.write_text(10 * "unfinished")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole(tmp_path):
    with atomic(tmp_path / "new/a.csv") as temporary:
        temporary.write_text("1")
        assert temporary.name == ".a.tmp.csv"
        assert names(tmp_path / "new") == [temporary.name]
    assert (tmp_path / "new/a.csv").read_text() == "1"
    assert names(tmp_path / "new") == ["a.csv"]


def test_an_error_leaves_what_was_there(tmp_path):
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(ValueError, match="broken"), atomic(tmp_path / "a.csv") as temporary:
        temporary.write_text("half")
        raise ValueError("broken")
    assert (tmp_path / "a.csv").read_text() == "old"
    assert names(tmp_path) == ["a.csv"]


def test_a_text_is_written_only_if_it_is_another(tmp_path):
    path = tmp_path / "new/a.json"
    keep_text(path, "1")
    os.utime(path, (0, 0))
    keep_text(path, "1")
    assert path.stat().st_mtime == 0
    keep_text(path, "2")
    assert path.read_text() == "2"
    assert path.stat().st_mtime > 0


def test_killed_again_and_again_leaves_one_file_that_the_next_attempt_replaces(tmp_path):
    for _ in range(2):
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a.h5")], check=False)
        assert len(names(tmp_path)) == 1
    with atomic(tmp_path / "a.h5") as temporary:
        assert not temporary.exists()
        temporary.write_text("whole")
    assert names(tmp_path) == ["a.h5"]
    assert (tmp_path / "a.h5").read_text() == "whole"


def test_writers_of_a_shared_file_do_not_meet(tmp_path):
    with atomic(tmp_path / "a.json", shared=True) as one, atomic(tmp_path / "a.json", shared=True) as other:
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a.json").read_text() == "one"  # the last to end
    assert names(tmp_path) == ["a.json"]


def test_a_full_disk_is_said_in_a_line(tmp_path):
    message = r"a\.h5: the disk is full \(\d+ MB left\); free space and run again"
    with pytest.raises(UserError, match=message), atomic(tmp_path / "a.h5"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(disk_full(tmp_path)).startswith(f"{tmp_path}: the disk is full")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_text_is_read_in_each_encoding_that_programs_save_it_in(tmp_path, encoding):
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    (tmp_path / "a.txt").write_bytes(f"{mark}ä 猫\r\nb\r\n".encode(encoding))
    assert read_text(tmp_path / "a.txt") == "ä 猫\r\nb\r\n"


@pytest.mark.parametrize(
    ("data", "line", "byte"),
    [
        ("a\nb\nä".encode("latin-1"), 3, "0xe4"),
        ("a\nb".encode("utf-16-le"), 1, "0x00"),
        (b"\xff\xfea\0\n\0\x00\xd8a\0", 2, "0x00"),
        (b"a\nb\0", 2, "0x00"),
    ],
)
def test_what_is_no_text_names_the_file_and_the_line(tmp_path, data, line, byte):
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(UserError, match=rf"a.txt, line {line}: byte {byte} is neither UTF-8 .*save the file as UTF-8"):
        read_text(tmp_path / "a.txt")


@pytest.mark.parametrize("read", [check_readable, read_text, read_pixels, read_photo])
def test_an_error_of_the_disk_names_the_file_and_is_no_damage(read):
    with pytest.raises(OSError, match=r"Input/output error: '/proc/self/mem'"):
        read("/proc/self/mem")  # nothing can be read at its beginning


def test_a_folder_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path, monkeypatch):
    check_writable(tmp_path)
    check_writable(tmp_path / "none yet")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # the superuser may write everywhere
    with pytest.raises(UserError, match=r": no file can be written there; mount it writable or run in another folder"):
        check_writable(tmp_path)
