"""What a job says: its log and its lines on the terminal."""

import logging
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from tracklearn.errors import without_secrets
from tracklearn.report import progress

QUIET = re.compile(r"lr|waiting|bytes|seconds|AP\..*")  # figures that a line leaves to the record and to the tables
MEASURED = re.compile(
    r"^\w+\.|accuracy|agreeing|AP|distance|error|gap|hit_rate|iteration|known|limit|loss|mean|median|precision|ridge|rms"
    "|share|spread|violated|within"
)  # in the names of figures that are no counts, even where they are whole: a share of 100%
LOG_ONLY = "TRACKLEARN_LOG_ONLY"
"""Environment variable by which the logger plugin says that it shows what the jobs' logs say."""


def is_shown_from(log: str | Path | None) -> bool:
    """Whether the process that started this job shows its progress and its errors from the log."""
    return log is not None and LOG_ONLY in os.environ


class _Formatter(logging.Formatter):
    """Shows no password or token that an address holds."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


@contextmanager
def log_and_terminal(name: str, log: str | Path | None, *, append: bool) -> Iterator[None]:
    """Send log records and Python warnings to the file `log`, and progress lines to stderr too.

    On stderr each line begins with the name of the job, since several jobs write there at once. Nothing goes to stderr
    where another process shows the lines of the log.
    """
    file: logging.Handler = logging.NullHandler()
    if log is not None:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        if not append:
            Path(log).write_bytes(b"")
        # Each line goes to the end of the file, where another process may have written in the meantime.
        file = LogFile(log, mode="a", encoding="utf-8")
    formatter = _Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%SZ")
    formatter.converter = time.gmtime
    file.set_name(name)
    file.setFormatter(formatter)
    terminal: logging.Handler = logging.NullHandler() if is_shown_from(log) else logging.StreamHandler()
    terminal.setFormatter(_Formatter(f"{name.replace('%', '%%')}: %(message)s"))
    root = logging.getLogger()
    root.addHandler(file)
    progress.addHandler(terminal)
    for logger in (root, progress):
        logger.setLevel(logging.INFO)
    show_before = warnings.showwarning
    warnings.showwarning = lambda text, kind, path, line, *_: root.warning("%s (%s:%d)", text, path, line)
    try:
        yield
    finally:
        warnings.showwarning = show_before
        progress.removeHandler(terminal)
        root.removeHandler(file)
        file.close()


class LogFile(logging.FileHandler):
    """A log whose warnings and errors go to stderr where they cannot be written, as on a full disk."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Called within the `except` of an error of `emit`."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)
        elif record.levelno >= logging.WARNING:
            with suppress(OSError):
                print(f"{self.name}: {record.getMessage()}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """What could not be written is given up."""
        with suppress(OSError):
            super().close()


def in_words(figures: Mapping[str, float], *, most: int = 5) -> str:
    """Figures in words, `1,214 pairs, loss 0.412`: the first `most` that say something.

    Whole numbers are counts, unless their name is that of something measured. After the first figure, a count of 0
    says nothing, and neither do the figures in `QUIET`.
    """
    words: list[str] = []
    for name, value in figures.items():
        is_count = "_per_" in name or (value.is_integer() and not MEASURED.search(name))
        if QUIET.fullmatch(name) or (is_count and words and not value):
            continue
        label = name.replace("_", " ")
        text = f"{value:,.0f}" if is_count or abs(value) >= 999.5 else f"{value:.3g}"
        words.append(f"{text} {label}" if is_count else f"{label} {text}")
    return ", ".join(words[:most])


def counted(number: int, noun: str) -> str:
    """`1 run` or `3 runs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time that took `seconds`: `12.3 s` or `1:02:03`."""
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))
