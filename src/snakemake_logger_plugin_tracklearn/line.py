"""The line that lives on a terminal."""

from collections.abc import Sequence

from snakemake_logger_plugin_tracklearn.jobs import Job


def duration(seconds: float) -> str:
    """A time in words: `12 s`, `2:13` (minutes) or `1:02:13` (hours)."""
    whole = round(max(seconds, 0.0))
    minutes, rest = divmod(whole, 60)
    if whole < 60:
        return f"{rest} s"
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def live_line(
    done: int, total: int, left: float | None, jobs: Sequence[Job], now: float, width: int, *, failed: int = 0
) -> str:
    """`12/345 jobs, 14:10 left | ranking unsup-8M 1200/3000 | track 00003 12 s | 2 more`, in `width` columns.

    Each job shows its own progress, or else its time so far. Jobs with progress come first, then the oldest; those
    for which there is no room are counted. If jobs failed, the time left is the longest that it can be.
    """
    line = f"{done}/{total} jobs" + (f", {failed} failed" if failed else "")
    if left is not None:
        line += f", {'at most ' if failed else ''}{duration(left)} left"
    queued = sum(job.waits for job in jobs)
    active = sorted((job for job in jobs if not job.waits), key=lambda job: (not job.progress, job.started))
    tail = f" | {queued} queued" if queued else ""
    for number, job in enumerate(active):
        entry = f" | {job.short_name} {job.progress or duration(now - job.started)}"
        more = len(active) - number - 1
        rest = (f" | {more} more" if more else "") + tail
        if number and len(line + entry + rest) > width:
            return f"{line} | {more + 1} more{tail}"[:width]
        room = width - len(line + rest)
        if len(entry) > room:  # the first job is shown in any case, without the middle of its name
            end = entry[-max(room // 2, 0) :]
            entry = f"{entry[: max(room - len(end) - 3, 0)]}...{end}"
        line += entry
    return (line + tail)[:width]
