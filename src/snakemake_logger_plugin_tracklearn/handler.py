"""The handler of Snakemake's events (snakemake_interface_logger_plugins, LogEvent)."""

import os
import re
import sys
import threading
import time
from contextlib import suppress
from logging import ERROR, WARNING, Handler, LogRecord, makeLogRecord
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_tracklearn.jobs import PREFIX, Job, Pace, cluster_error
from snakemake_logger_plugin_tracklearn.line import duration, live_line

JOBS_KEEP_TO_THEIR_LOGS = "TRACKLEARN_LOG_ONLY"  # tells jobs that their lines need not go to the terminal too
CLEAR_LINE, RED, NORMAL = "\r\x1b[K", "\x1b[31m", "\x1b[0m"
UNREADABLE_MAP = "SIGBUS: 7>", "SIGBUS: 7>: the disk could not read a file of this job, or the file was cut short"
LONGEST_LOG = 200  # lines of a failed job's log that are shown
CHATTER = (
    "Assuming unrestricted shared",
    "Building DAG",
    "Cleaning up SLURM log files",
    "Complete log",
    "Elapsed time",
    "Exiting because a job",
    "Job rate limit",
    "Loading script code",
    "No SLURM account given",
    "No account was given",
    "Removing temporary output",
    "Select jobs",
    "Shutting down",
    "SLURM run ID",
    "Touching output",
    "Unable to guess SLURM account",
    "Updating checkpoint",
    "Using shell",
    "Write-protecting output",
)  # beginnings of messages that are not shown

# What the plugin for SLURM adds to the state of a failed job, and says of every failure.
UNTOLD = re.compile(r" ?(?:Detailed failure reason unavailable|For further error details see)")


class LogHandler(LogHandlerBase):
    """Shows the run on stderr. Dry runs, and whoever asks for more or less, get Snakemake's own lines."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self._plain = snakemakes_own(self.common_settings)
        self._stream = sys.stderr
        self._start = Path.cwd()  # paths are shown as the user can type them; Snakemake may change into another folder
        self._is_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._colour = self._is_terminal and not self.common_settings.nocolor and "NO_COLOR" not in os.environ
        self._jobs: dict[int, Job] = {}
        self._ended: list[tuple[Job, float]] = []  # finished jobs of which no line is printed yet
        self._failed: dict[int, Job] = {}
        self._done = self._total = 0
        self._pace: Pace | None = None
        self._exit = ""
        self._interrupted = False
        self._closing = threading.Event()
        self._ticker: threading.Thread | None = None
        self._is_plain = wants_snakemakes_own(self.common_settings)
        if not self._is_plain:
            os.environ[JOBS_KEEP_TO_THEIR_LOGS] = "1"

    def emit(self, record: LogRecord) -> None:
        """Show one event. An error of this plugin never reaches Snakemake, whose own lines then go on."""
        if not self._is_plain:
            try:
                self._show(record)
                return
            except OSError:  # nobody reads stderr any more
                return
            except Exception as error:
                self._give_up(error)
        with suppress(OSError):
            self._plain.handle(record)

    def close(self) -> None:
        """Say how the run ended."""
        self._closing.set()
        self.acquire()  # the other thread may be drawing
        try:
            if not self._is_plain and self._pace is not None:
                self._print(self._summary())
            elif not self._is_plain:
                self._write("")
        except (OSError, ValueError):  # stderr is closed
            pass
        finally:
            self._pace, self._is_terminal = None, False  # Snakemake and Python's logging may both close
            self.release()
        super().close()

    def _show(self, record: LogRecord) -> None:
        now = record.created
        event = getattr(record, "event", None)
        fields: dict[str, Any] = vars(record)
        if event == LogEvent.RUN_INFO:
            planned = {rule: count for rule, count in fields["stats"].items() if rule != "total"}
            self._total, self._pace = sum(planned.values()), Pace(planned, now)
            self._start_ticker()
        elif event == LogEvent.JOB_INFO:
            self._failed.pop(fields["jobid"], None)
            logs = [Path(path).absolute() for path in fields["log"]]
            wildcards = [str(value) for value in fields["wildcards"].values()]
            remote = not fields["local"]
            self._jobs[fields["jobid"]] = Job(fields["rule_name"], wildcards, logs, now, remote)
        elif event == LogEvent.JOB_FINISHED:
            self._finish(fields["job_id"], now)
        elif event == LogEvent.PROGRESS:
            self._done, self._total = fields["done"], fields["total"]
            self._show_finished(now)
        elif event == LogEvent.JOB_ERROR:
            self._fail(record, now)
        elif event == LogEvent.ERROR:
            self._show_error(record.getMessage())
        elif event is None or record.levelno >= WARNING:
            self._say(record)

    def _finish(self, number: int, now: float) -> None:
        if job := self._jobs.pop(number, None):
            seconds = job.took(now)
            if self._pace:
                self._pace.finished(job.rule, seconds)
            self._ended.append((job, seconds))

    def _show_finished(self, now: float) -> None:
        """Redraw the line; off a terminal, print one for each job that finished, whose last words say what it did."""
        self._write("")
        for job, seconds in self._ended if not self._is_terminal else ():
            _, words = job.last_words()
            figures = words.partition(": ")[2] if words.startswith("done in ") else ""
            line = f"{clock(now)} {self._done}/{self._total} {job.name}: {seconds:.1f} s"
            self._print(f"{line}, {figures}" if figures else line)
        self._ended.clear()

    def _fail(self, record: LogRecord, now: float) -> None:
        """Print one line with the error and the log; elsewhere than on a terminal, or for a bug, the log's text too."""
        fields = vars(record)
        job = self._jobs.pop(fields["jobid"], None)
        if job is None or self._interrupted:
            return
        self._failed[fields["jobid"]] = job
        job.logs = [Path(path).absolute() for path in fields["log"]]  # with those of a cluster
        level, words = job.last_words()
        if level in ("ERROR", "CRITICAL"):
            del job.logs[1:]  # the cluster's log only repeats what the job says
        text = job.log_text()
        if level not in ("ERROR", "CRITICAL"):
            words = cluster_error(text) or UNTOLD.split(fields["rule_msg"] or "")[0]
        reason = words or self._exit or "failed"
        self._exit = ""
        logs = ", ".join(os.path.relpath(path, self._start) for path in job.logs)
        self._print(f"{clock(now)} {job.name} failed: {reason} ({f'log: {logs}' if logs else 'no log'})", ERROR)
        bug = next((number for number, line in enumerate(text) if line.startswith("Traceback (most recent")), None)
        if self._is_terminal:
            text = text[bug:] if bug is not None else []
        for line in text[-LONGEST_LOG:]:
            self._print(f"    {line}")
        if not job.logs and fields["shellcmd"]:
            self._print(f"    {fields['shellcmd']}")

    def _show_error(self, text: str) -> None:
        if "CalledProcessError" in text and "Command '" in text:  # the job's own error follows
            self._exit = text.rstrip(".\n").rpartition("' ")[2].replace(*UNREADABLE_MAP)
        elif "At least one job did not complete" not in text:
            found = re.search(r"^Job (\d+) completed successfully, but", text, re.MULTILINE)
            if found and (job := self._jobs.pop(int(found[1]), None)):  # an output is missing; no other event comes
                self._failed[int(found[1])] = job
            self._print(text, ERROR)

    def _say(self, record: LogRecord) -> None:
        text = record.getMessage().strip()
        if text.startswith("Terminating processes on user request"):
            self._interrupted = True
            text = f"Interrupted: waiting for {counted(len(self._jobs), 'job')} to end"
        elif found := re.fullmatch(r"Trying to restart job (\d+)\.", text):
            job = self._failed.get(int(found[1]))
            text = f"{job.name} is tried again" if job else text
        is_queue_number = "has been submitted with" in text
        if text and not text.startswith(CHATTER) and not is_queue_number:
            self._print(text, record.levelno)

    def _summary(self) -> str:
        assert self._pace is not None
        line = f"{self._done} of {counted(self._total, 'job')} done in {duration(time.time() - self._pace.start)}"
        if self._failed:
            line += f", {len(self._failed)} failed (see above): {', '.join(job.name for job in self._failed.values())}"
        if self._interrupted:
            line += "; the same command goes on from here"
        return line

    def _print(self, text: str, level: int = 0) -> None:
        if self._colour and level >= ERROR:
            text = f"{RED}{text}{NORMAL}"
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        """Write text above the living line, and the line again."""
        if self._is_terminal:
            text = f"{CLEAR_LINE}{text}{'' if self._closing.is_set() else self._line()}"
        if text:
            self._stream.write(text)
            self._stream.flush()

    def _line(self) -> str:
        if self._pace is None or self._interrupted:
            return ""
        now = time.time()
        jobs = list(self._jobs.values())
        width = os.get_terminal_size(self._stream.fileno()).columns or 80
        failed = list(self._failed.values())
        left = self._pace.left([job for job in jobs if not job.waits], now, failed)
        return live_line(self._done, self._total, left, jobs, now, width - 1, failed=len(failed))

    def _start_ticker(self) -> None:
        if self._ticker is None:
            self._ticker = threading.Thread(target=self._tick, daemon=True)
            self._ticker.start()

    def _tick(self) -> None:
        """Redraw the line every second, or less often with very many jobs, whose logs may lie on a shared disk.

        On a terminal and elsewhere, say which jobs wait for the process of an earlier run.
        """
        while not self._closing.wait(max(1.0, len(self._jobs) / 20)):
            self.acquire()
            try:
                if self._is_plain or self._closing.is_set():
                    return
                for job in self._jobs.values():
                    before = job.waiting
                    job.look(time.time())
                    if job.waiting != before:
                        self._print(f"{clock(time.time())} {job.name}: {PREFIX.sub('', job.waiting)}")
                self._write("")
            except OSError:
                return
            except Exception as error:
                self._give_up(error)
                return
            finally:
                self.release()

    def _give_up(self, error: Exception) -> None:
        """Leave the rest of the run to Snakemake's own lines and to the jobs'."""
        self._is_plain = True
        os.environ.pop(JOBS_KEEP_TO_THEIR_LOGS, None)
        text = f"\nThe progress line failed ({type(error).__name__}: {error}); Snakemake's own lines follow."
        with suppress(OSError):
            self._plain.handle(makeLogRecord({"msg": text, "levelno": WARNING, "levelname": "WARNING"}))


def clock(now: float) -> str:
    """The time as in the jobs' logs."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(now))


def counted(number: int, noun: str) -> str:
    """`1 job` or `3 jobs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def wants_snakemakes_own(settings: Any) -> bool:
    """Whether the plan of a dry run is printed, or the user asked for more than this plugin shows, or for nothing."""
    quiet = {str(getattr(what, "name", what)).lower() for what in settings.quiet or ()}
    more = settings.verbose or settings.debug_dag or settings.printshellcmds
    # Without the events of progress, which Snakemake does not send with `--quiet progress`, no line can live.
    return bool(settings.dryrun or more or quiet & {"all", "progress"})


def snakemakes_own(settings: Any) -> Handler:
    """The handler that Snakemake would have used without this plugin."""
    from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter  # noqa: PLC0415 (a circle)

    quiet = settings.quiet or set()
    return ColorizingTextHandler(
        nocolor=settings.nocolor,
        stream=sys.stdout if settings.stdout else sys.stderr,
        filter=DefaultFilter(quiet, settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds),
        formatter=DefaultFormatter(quiet, settings.show_failed_logs),
    )
