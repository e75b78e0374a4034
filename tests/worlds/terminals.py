"""Snakemake's events, and a pseudo-terminal to see what a person sees."""

import fcntl
import logging
import os
import pty
import re
import struct
import termios
import time

import pytest
from snakemake_interface_logger_plugins.common import LogEvent


def record(
    event: LogEvent | None = None, text: str | None = None, level: int = logging.INFO, *, at: float = 0.0, **fields
) -> logging.LogRecord:
    """An event as Snakemake sends it, at a time or now."""
    levels = {"levelno": level, "levelname": logging.getLevelName(level)}
    return logging.makeLogRecord({"msg": text, "event": event, **levels, **({"created": at} if at else {}), **fields})


def planned(**counts: int) -> logging.LogRecord:
    return record(LogEvent.RUN_INFO, "Job stats", stats=counts | {"total": sum(counts.values())})


def started(number: int, rule: str, log=None, *, at: float = 0.0, **wildcards: str) -> logging.LogRecord:
    job = {"jobid": number, "rule_name": rule, "wildcards": wildcards, "log": [str(log)] if log else [], "local": True}
    return record(LogEvent.JOB_INFO, at=at, **job)


def finished(number: int, *, at: float = 0.0) -> logging.LogRecord:
    return record(LogEvent.JOB_FINISHED, at=at, job_id=number)


def failed(number: int, *logs, at: float = 0.0, rule_msg=None) -> logging.LogRecord:
    job = {"jobid": number, "log": [str(log) for log in logs], "rule_msg": rule_msg, "shellcmd": None}
    return record(LogEvent.JOB_ERROR, level=logging.ERROR, at=at, **job)


def progress(done: int, total: int, *, at: float = 0.0) -> logging.LogRecord:
    return record(LogEvent.PROGRESS, at=at, done=done, total=total)


class Terminal:
    """A pseudo-terminal; `screen()` is what a person sees: the last state of each line."""

    def __init__(self, columns: int) -> None:
        self.here, there = pty.openpty()
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.stream = os.fdopen(there, "w")
        os.set_blocking(self.here, False)
        self.raw = ""

    def read(self) -> str:
        try:
            while chunk := os.read(self.here, 65536):
                self.raw += chunk.decode()
        except OSError:
            pass
        return self.raw

    def screen(self) -> list[str]:
        lines = [line.split("\r\x1b[K")[-1] for line in self.read().replace("\r\n", "\n").split("\n")]
        return [line for line in lines if line]

    def wait_for(self, pattern: str, seconds: float = 20.0) -> None:
        """Read until a regular expression is found."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.read()):
            assert time.monotonic() < deadline, f"{pattern!r} did not come: {self.raw!r}"
            time.sleep(0.05)


@pytest.fixture
def terminal(monkeypatch):
    """Make a pseudo-terminal of some columns."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    made = []

    def make(columns: int = 80) -> Terminal:
        made.append(Terminal(columns))
        return made[-1]

    yield make
    for each in made:
        each.stream.close()
        os.close(each.here)
