"""What a job says on the terminal and in its log."""

import errno
import logging
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from recorded_jobs import events_of, write

from tracklearn.errors import UserError, one_line
from tracklearn.report import progress
from tracklearn.runs import recorded
from tracklearn.runs.output import in_words, log_and_terminal

UNREADABLE = "/proc/self/mem"  # nothing can be read at its beginning


def test_a_job_says_in_one_line_what_it_did(job, capsys):
    with recorded(job("mining_track", shard="00003")) as run:
        run.metrics({"pairs": 214, "lost_share": 0.25, "detector": "mahotas"})
    line = capsys.readouterr().err
    assert re.fullmatch(r"mining_track 00003: done in \d\.\d s: 214 pairs, lost share 0\.25\n", line)
    assert line.removeprefix("mining_track 00003: ") in Path("logs/mining_track.log").read_text()
    assert [event["tags"] for event in events_of(run, "tags")] == [{"detector": "mahotas"}]
    assert events_of(run, "end")[0]["status"] == "FINISHED"


def test_progress_shows_on_the_terminal_and_in_the_log(job, capsys):
    with recorded(job("train", model="50%")):
        progress.info("iteration 20 of 900")
    progress.info("iteration 40 of 900")
    assert capsys.readouterr().err.splitlines()[0] == "train 50%: iteration 20 of 900"
    assert "INFO iteration 20 of 900" in Path("logs/train.log").read_text()
    assert "iteration 40" not in capsys.readouterr().err + Path("logs/train.log").read_text()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("voc.root is x: no folder;\nset it"), "voc.root is x: no folder; set it"),
        (MemoryError(), "out of memory: use fewer threads or a smaller batch, or run fewer jobs at once"),
        (OSError(errno.ENOSPC, "No space left on device", "a.h5"), "a.h5: the disk is full; free space and run again"),
        (
            OSError(errno.EROFS, "Read-only file system", "a.h5"),
            "a.h5: its file system is read-only; mount it writable or run in another folder, and run again",
        ),
        (
            OSError("Can't read data (filename = 'a.h5', file descriptor = 5, error message = 'Input/output error')"),
            "a.h5: the disk reports an error (Input/output error); restore the file or the disk, and run again",
        ),
        (
            OSError(errno.EIO, "Input/output error"),
            "a file: the disk reports an error (Input/output error); restore the file or the disk, and run again",
        ),
    ],
)
def test_an_expected_error_is_one_line_and_status_1(job, capsys, error, line):
    with pytest.raises(SystemExit, match=r"^1$"), recorded(job("fetch", year="2012", output={"a": "a.json"})) as run:
        write("a.json")
        raise error
    assert capsys.readouterr().err == f"fetch 2012: {line}\n"
    log = Path("logs/fetch.log").read_text()
    assert f"ERROR {line}\n" in log and "Traceback" not in log
    (end,) = events_of(run, "end")
    assert (end["status"], end["tags"]) == ("FAILED", {"error": line})
    assert run.lineage(["a.json"]) == []


def test_an_error_of_the_disk_names_the_input_that_cannot_be_read(job, capsys):
    write("a.json")
    with pytest.raises(SystemExit, match=r"^1$"), recorded(job("fetch", input={"files": ["a.json", UNREADABLE]})):
        Path(UNREADABLE).read_bytes()
    assert f"fetch: {UNREADABLE}: the disk reports an error (Input/output error); restore" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_lines_that_the_log_cannot_take_go_to_the_terminal(monkeypatch, capsys):
    monkeypatch.setenv("TRACKLEARN_LOG_ONLY", "1")
    with log_and_terminal("fetch 2012", "/dev/full", append=True):
        logging.getLogger("any").error("the disk is full")
    assert capsys.readouterr().err == "fetch 2012: the disk is full\n"


def test_a_rule_without_a_log_says_its_line_once(tmp_path):
    code = """
from types import SimpleNamespace as N
class L(list):
    def items(self): return []
from tracklearn.errors import UserError
from tracklearn.runs import recorded
with recorded(N(rule="r", wildcards=L(), input=L(), output=L(), params=L(), log=L(), threads=1)):
    raise UserError("voc.root is x")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (1, "r: voc.root is x\n", "")


def test_a_bug_keeps_its_traceback(job, capsys):
    with pytest.raises(KeyError, match="fc7"), recorded(job("features")) as run:
        {}["fc7"]
    assert re.fullmatch(r"features: failed after \d\.\d s: KeyError \(see the traceback\)\n", capsys.readouterr().err)
    assert one_line(OSError(errno.ENOENT, "missing")) is None
    assert "Traceback" in (log := Path("logs/features.log").read_text()) and "KeyError: 'fc7'" in log
    (end,) = events_of(run, "end")
    assert (end["status"], end["tags"]) == ("FAILED", {"error": "KeyError: 'fc7'"})


def test_warnings_and_records_go_to_the_log(job):
    with recorded(job("train")):
        warnings.warn("fc8 has no positives", stacklevel=1)
    assert "fc8 has no positives" in Path("logs/train.log").read_text()


def test_summary_is_short_and_readable():
    assert in_words({"pairs": 1_234_567.0, "loss": 0.41171, "best_auc": float("nan")}) == (
        "1,234,567 pairs, loss 0.412, best auc nan"
    )
    assert in_words({str(number): 1.0 for number in range(15)}) == "1 0, 1 1, 1 2, 1 3, 1 4"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mAP": 58.81, "AP.dotted disc": 100}, "mAP 58.8"),
        ({"mAP.row": 30, "only_unsup-ft-1.5M": 33}, "mAP.row 30, 33 only unsup-ft-1.5M"),
        ({"iteration": 360, "loss": 438.24, "lr": 2e-4, "violated": 1, "images_per_s": 1034.4, "waiting": 0.0011},
         "iteration 360, loss 438, violated 1, 1,034 images per s"),
        ({"videos": 80, "ok": 78, "unreachable": 0, "failed": 2, "frames": 5928, "bytes": 31830978, "seconds": 237.1},
         "80 videos, 78 ok, 2 failed, 5,928 frames"),
        ({"pairs": 0, "patches": 0}, "0 pairs"),
        ({"knn_accuracy": 0, "mean": 12.345, "within_30": 100}, "knn accuracy 0, mean 12.3, within 30 100"),
    ],
)  # fmt: skip
def test_a_share_of_all_is_no_count(values, words):
    assert in_words({name: float(value) for name, value in values.items()}) == words
