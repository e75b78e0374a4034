"""The jobs of a run: what their logs say, and how long the jobs that are left will take."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TAIL = 4096  # bytes at the end of a log in which its latest lines lie
PREFIX = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ ([A-Z]+) ")
PROGRESS = re.compile(r"^(?:iteration )?(\d+) of (\d+)\b")
TIME = r"(?:(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)|([\d.]+) (s|minutes))"
WAITING = "waiting for process "  # an earlier process still writes the job's files
LEFT, DONE = re.compile(f"{TIME} left"), re.compile(f"done in {TIME}")


@dataclass
class Job:
    """A job that runs or waits in a queue.

    Attributes:
        rule: name of its rule.
        wildcards: values of its wildcards.
        logs: absolute paths of its log files.
        started: time when it was started, or sent to a queue, in seconds.
        remote: whether another machine runs it.
        progress: how far its log says it is, `"1200/3000"`; empty if the log does not say.
        left: seconds that its log says are left, at the time `read_at`.
        waiting: the last line of its log that says which process it waits for.
    """

    rule: str
    wildcards: Sequence[str]
    logs: Sequence[Path]
    started: float
    remote: bool = False
    progress: str = ""
    left: float | None = None
    read_at: float = 0.0
    waiting: str = ""
    _stamp: tuple[int, int] | None = field(init=False)
    _spoke: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._stamp = self._now_stamp()  # what an earlier attempt wrote does not count

    @property
    def name(self) -> str:
        """The rule and the wildcards, as in the job's log."""
        return " ".join([self.rule, *self.wildcards])

    @property
    def short_name(self) -> str:
        """The name without the rule's stage: `ranking unsup-8M`."""
        return " ".join([self.rule.partition("_")[2] or self.rule, *self.wildcards])

    @property
    def waits(self) -> bool:
        """Whether the job is still in the queue of a cluster, as far as its log shows."""
        return self.remote and bool(self.logs) and not self._spoke

    def look(self, now: float) -> None:
        """Read from the log, if it changed, how far the job is."""
        stamp = self._now_stamp()
        if stamp is None or stamp == self._stamp:
            return
        self._stamp, self.read_at = stamp, now
        if self.waits:
            self.started = now
        self._spoke = True
        lines = attempt_lines(self.logs[0], TAIL)
        self.waiting = next(
            (line for line in reversed(lines) if PREFIX.sub("", line).startswith(WAITING)), self.waiting
        )
        for line in reversed(lines):
            text = PREFIX.sub("", line)
            if found := PROGRESS.match(text):
                self.progress, self.left = f"{found[1]}/{found[2]}", seconds_left(text)
                break

    def last_words(self) -> tuple[str, str]:
        """Level and text of the last line that the job logged; two empty strings if it logged nothing."""
        if self.logs and (self._spoke or self._now_stamp() != self._stamp):
            for line in reversed(attempt_lines(self.logs[0], TAIL)):
                if found := PREFIX.match(line):
                    return found[1], line[found.end() :]
        return "", ""

    def took(self, now: float) -> float:
        """Seconds from the start to `now`; on a cluster, where a job waits in a queue, those that its log names."""
        found = DONE.match(self.last_words()[1]) if self.remote else None
        return _seconds(found) if found else now - self.started

    def log_text(self) -> list[str]:
        """All lines of this attempt in the job's logs."""
        return [line for path in self.logs for line in attempt_lines(path)]

    def _now_stamp(self) -> tuple[int, int] | None:
        try:
            found = self.logs[0].stat()
        except (OSError, IndexError):
            return None
        return found.st_mtime_ns, found.st_size


def attempt_lines(path: Path, tail: int | None = None) -> list[str]:
    """Lines of a log since the last attempt began, or of its last `tail` bytes; none if it cannot be read."""
    try:
        with open(path, "rb") as file:
            if tail is not None:
                file.seek(max(file.seek(0, os.SEEK_END) - tail, 0))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    first = max((number for number, line in enumerate(lines) if ": attempt " in line), default=0)
    return lines[first:]


def seconds_left(text: str) -> float | None:
    """The remaining time that a line of progress names, in seconds."""
    found = LEFT.search(text)
    return _seconds(found) if found else None


def _seconds(time: re.Match[str]) -> float:
    """What a time that `TIME` matches is in seconds."""
    *clock, number, unit = time.groups()
    if unit:
        return float(number) * (60 if unit == "minutes" else 1)
    days, hours, minutes, seconds = (int(part or 0) for part in clock)
    return 86400 * days + 3600 * hours + 60 * minutes + seconds


class Pace:
    """Estimates the time left from the jobs that are done: those that are left take as long as others of their rule."""

    def __init__(self, planned: Mapping[str, int], start: float) -> None:
        self.planned, self.start = Counter(planned), start
        self._done: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}

    def finished(self, rule: str, seconds: float) -> None:
        """Note that a job of a rule took `seconds`."""
        self._done[rule] += 1
        self._seconds[rule] = self._seconds.get(rule, 0.0) + seconds

    def left(self, running: Iterable[Job], now: float, failed: Iterable[Job] = ()) -> float | None:
        """Seconds until all jobs are done; None before the first job is done, or once all take longer than expected.

        A running job takes as long as its log says. A rule of which no job is done yet takes as long as the mean of
        all jobs that are done. As many jobs run at once as have run at once so far, on average. Those in a queue are
        still to come, and those that failed are not. Which jobs need what a failed one should have made is unknown
        here, so that they count too: after a failure the time is the longest that it can be.
        """
        if not self._done:
            return None
        mean = sum(self._seconds.values()) / self._done.total()
        means = {rule: self._seconds[rule] / count for rule, count in self._done.items()}
        waiting = self.planned - self._done - Counter(job.rule for job in failed)
        work, longest, spent = 0.0, 0.0, sum(self._seconds.values())
        for job in running:
            waiting[job.rule] -= 1
            spent += now - job.started
            usual = means.get(job.rule, mean) - (now - job.started)
            rest = max(usual if job.left is None else job.left - (now - job.read_at), 0.0)
            work, longest = work + rest, max(longest, rest)
        work += sum(count * means.get(rule, mean) for rule, count in waiting.items() if count > 0)
        at_once = max(spent / max(now - self.start, 1e-3), 0.1)
        return max(work / at_once, longest) or None
