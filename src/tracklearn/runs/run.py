"""`with stage(snakemake) as run:` around the one call that a script makes.

What a job leaves in the log, on the terminal and in the spool is decided here and nowhere else. The module imports
neither MLflow nor Snakemake and nothing heavy: every job pays for its import.
"""

import errno
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from tracklearn.errors import UserError
from tracklearn.files import atomic
from tracklearn.report import progress
from tracklearn.runs.spool import Event, Spool, digest, started

PICTURES = {".png", ".html", ".svg"}
SMALL_FILES = {".json", ".csv", ".tsv", ".md", ".log", ".txt"}
CHECKPOINTS = Path("results/checkpoints")
SMALL = 1_000_000  # bytes
SHOWN = 500  # characters of a parameter that are recorded
FULL = {errno.ENOSPC, errno.EDQUOT}

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # a rule without a log would get each line twice on stderr


class Job(Protocol):
    """What is used of the object that Snakemake hands to a script."""

    rule: str
    wildcards: Any
    input: Any
    output: Any
    params: Any
    log: Any
    threads: int


def stage(job: Job) -> "Run":
    """Surround a stage: its log, thread limits, one-line errors and the record of its run.

    Args:
        job: the `snakemake` object of a script.

    A `UserError`, a full disk and exhausted memory end the process with status 1 and one line on stderr that names
    the rule and its wildcards; any other exception keeps its traceback. Both stand in the job's log too.
    """
    return Run(job)


class Run:
    """One run of one job.

    Attributes:
        key: digest of the rule, wildcards, params and the runs of the inputs. The same job resumed continues its run;
            a changed one is another run.
        name: rule and wildcards, as shown to people.
    """

    def __init__(self, job: Job, spool: Spool | None = None) -> None:
        self._job = job
        self._spool = spool or Spool()
        self._inputs = {name: self.lineage(paths) for name, paths in _named(job.input, "input").items()}
        self.name = " ".join([job.rule, *map(str, job.wildcards)])
        self.key = digest([job.rule, list(job.wildcards), _all(job.params), [self._origin(path) for path in job.input]])
        self._checkpoints = CHECKPOINTS / "-".join([job.rule, *map(str, job.wildcards)]) / self.key
        self._steps: dict[str, int] = {}  # last step reported of each curve
        self._results: dict[str, Any] = {}
        self._warned = False

    @property
    def checkpoints(self) -> Path:
        """Folder of the job's own for its checkpoints, outside the declared outputs that a failure removes.

        It is named by the key, so that the same job resumes; what a changed job left before is dropped. Pictures that
        the job puts there go to its run while it goes on, at its next report.
        """
        for old in self._checkpoints.parent.glob("*"):
            if old.name != self.key:
                log.warning("%s: the job changed since it was interrupted; it starts afresh", self.name)
                shutil.rmtree(old)
        return self._checkpoints

    def lineage(self, paths: Iterable[str | Path]) -> list[str]:
        """Keys of the runs that wrote these files, each once, in order; files that no job wrote have none."""
        makers = (self._spool.maker(str(path)) for path in paths)
        return list(dict.fromkeys(key for key in makers if key))

    def report(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each curve.

        The steps of a curve only grow. A resumed job computes again what it had computed after its last checkpoint;
        those points are there already and are left out.
        """
        new = {name: float(value) for name, value in values.items() if step > self._steps.get(name, -1)}
        if new:
            self._steps |= dict.fromkeys(new, step)
            self._record({"event": "metrics", "time": time.time(), "step": step, "values": new})
        self._keep_pictures()

    def metrics(self, values: Mapping[str, Any]) -> None:
        """Record final figures; what is no number is recorded as a tag."""
        numbers = {name: float(value) for name, value in values.items() if isinstance(value, Real)}
        words = {name: str(value) for name, value in values.items() if name not in numbers}
        self._results |= numbers
        by_step: dict[int, dict[str, float]] = {}  # the final value of a curve belongs at its end
        for name, number in numbers.items():
            by_step.setdefault(self._steps.get(name, 0), {})[name] = number
        for step, final in by_step.items():
            self._record({"event": "metrics", "time": time.time(), "step": step, "values": final})
        if words:
            self._record({"event": "tags", "tags": words})

    def __enter__(self) -> "Run":
        self._began = time.monotonic()
        past = self._past()
        turns = [event for event in past if event["event"] in ("start", "end")]
        resumed = bool(turns) and turns[-1].get("status") != "FINISHED"
        self._handler = _log_to(self._job.log[0] if self._job.log else None, append=resumed)
        self._terminal = _progress_to_terminal(self.name)
        self._sigterm = _exit_on_sigterm()
        limit_threads(self._job.threads)
        for event in past:
            if event["event"] == "metrics":
                self._steps |= dict.fromkeys(event["values"], event["step"])
        log.info("%s: run %s%s", self.name, self.key, " resumed" if resumed else "")
        self._record(self._start_event(attempt=1 + sum(event["event"] == "start" for event in turns)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        took = f"{time.monotonic() - self._began:.1f} s"
        if error is None:
            self._finish("FINISHED", f"{summary(self._results) or 'done'} in {took}")
            return
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        message = f"stopped after {took}" if stopped else one_line(error)
        if message is None:
            log.critical("%s failed after %s", self.name, took, exc_info=error)
            self._finish("FAILED", None, error=f"{type(error).__name__}: {error}")
            return
        self._finish("KILLED" if stopped else "FAILED", message, error=message)
        if not isinstance(error, SystemExit):
            raise SystemExit(130 if stopped else 1) from None

    def _past(self) -> list[Event]:
        """What earlier attempts at this run recorded; the place for more is made."""
        try:
            self._spool.folder(self.key).mkdir(parents=True, exist_ok=True)
            self._spool.end_torn_line(self.key)
            return self._spool.history(self.key)
        except OSError:
            return []  # the first event meets the same error and tells it

    def _start_event(self, *, attempt: int) -> Event:
        params = _all(self._job.params)
        tags = {
            "rule": self._job.rule,
            **{f"wildcard.{name}": value for name, value in self._job.wildcards.items()},
            "code": params.pop("code", "unknown"),
            "mlflow.source.git.commit": git_commit(),
            "host": socket.gethostname(),
            "threads": str(self._job.threads),
            "attempts": str(attempt),
        }
        return {
            "event": "start",
            "time": time.time(),
            "name": self.name,
            "params": dict(flatten(params)),
            "tags": tags,
            "inputs": {name: keys for name, keys in self._inputs.items() if keys},
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process": started(os.getpid()),
        }

    def _finish(self, status: str, line: str | None, *, error: str | None = None) -> None:
        """Tell the user and the spool how the run ended, and give the log back."""
        if line is not None:
            print(f"{self.name}: {line}", file=sys.stderr, flush=True)
            log.log(logging.INFO if status == "FINISHED" else logging.ERROR, "%s: %s", self.name, line)
        self._keep_pictures()
        try:
            self._keep([*self._job.log, *(self._job.output if status == "FINISHED" else ())])
            if status == "FINISHED":
                self._spool.claim(map(str, self._job.output), self.key)
        except (OSError, UserError) as problem:
            self._lost(problem)
        end = {"event": "end", "time": time.time(), "status": status, "host": socket.gethostname()}
        self._record(end | ({"tags": {"error": error}} if error else {}))
        _close_log(self._handler)
        progress.removeHandler(self._terminal)
        if self._sigterm is not None:
            signal.signal(signal.SIGTERM, self._sigterm)

    def _keep(self, paths: Iterable[str | Path]) -> None:
        """Put what people look at beside the events: pictures, and tables and logs that are small."""
        for path in map(Path, paths):
            small = path.suffix in SMALL_FILES and path.is_file() and path.stat().st_size < SMALL
            if small or (path.suffix in PICTURES and path.is_file()):
                declared = path.name if path.is_absolute() or ".." in path.parts else path
                kept = self._spool.folder(self.key) / "artifacts" / declared
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.unlink(missing_ok=True)
                shutil.copyfile(path, kept)

    def _keep_pictures(self) -> None:
        """Put the new pictures beside the checkpoints among the run's artifacts."""
        try:
            for path in sorted(self._checkpoints.glob("[!.]*.png")):
                kept = self._spool.folder(self.key) / "artifacts/checkpoints" / path.name
                if not kept.exists():
                    with atomic(kept) as temporary:
                        shutil.copyfile(path, temporary)
                    self._record({"event": "artifact", "time": time.time(), "path": f"checkpoints/{path.name}"})
        except (OSError, UserError) as problem:
            self._lost(problem)

    def _origin(self, path: str) -> Any:
        """What stands for an input in the key: the run that wrote it, else the file as it is now."""
        maker = self._spool.maker(str(path))
        if maker or not Path(path).exists():
            return maker or str(path)
        found = Path(path).stat()
        return [str(path), found.st_size, found.st_mtime_ns]

    def _record(self, event: Event) -> None:
        try:
            self._spool.append(self.key, event)
        except OSError as error:
            self._lost(error)

    def _lost(self, error: OSError | UserError) -> None:
        """A record that cannot be written is a pity, never a reason to lose the stage."""
        if not self._warned:
            log.warning("%s: the run cannot be recorded (%s); the stage goes on", self.name, error)
        self._warned = True


def one_line(error: BaseException) -> str | None:
    """What to tell the user about an error that is no bug; None for a bug, which keeps its traceback."""
    if isinstance(error, UserError):
        return " ".join(str(error).split())
    # torch.cuda.OutOfMemoryError is a RuntimeError, known by its name because torch may not be here.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "out of memory: use fewer threads or a smaller batch, or run fewer jobs at once"
    if isinstance(error, OSError) and (error.errno in FULL or "No space left on device" in str(error)):
        return f"{error.filename or 'output'}: the disk is full; free space and run again"
    return None


def summary(results: Mapping[str, float], *, most: int = 12) -> str:
    """Figures in words: `214 pairs, loss 0.4117`; the first `most` of them, and how many are left out."""
    words = []
    for name, value in list(results.items())[:most]:
        label = name.replace("_", " ")
        whole = value == int(value) if abs(value) < 1e15 else False
        words.append(f"{value:.0f} {label}" if whole else f"{label} {value:.4g}")
    if len(results) > most:
        words.append(f"{len(results) - most} more figures")
    return ", ".join(words)


def flatten(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as pairs `("loss.margin", "0.5")`; long values are cut."""
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            text = str(value)
            cut = f"{text[:SHOWN]}... ({len(value) if isinstance(value, list | tuple) else len(text)} in all)"
            yield f"{prefix}{name}", text if len(text) <= SHOWN else cut


def limit_threads(threads: int) -> None:
    """Make BLAS, OpenMP, OpenCV, numba and torch of this process use no more threads than the rule was given."""
    for variable in ("OMP", "OPENBLAS", "MKL", "NUMBA", "NUMEXPR"):
        os.environ[f"{variable}_NUM_THREADS"] = str(threads)
    os.environ["OPENCV_FOR_THREADS_NUM"] = str(threads)
    # Libraries that are loaded already have read their variables; the others are not loaded for this.
    if "numpy" in sys.modules:
        import threadpoolctl  # noqa: PLC0415

        threadpoolctl.threadpool_limits(limits=threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads)


def git_commit() -> str:
    """Commit of the code that runs, with `-dirty` when files differ from it; `unknown` outside a repository."""
    # Tags are excluded: the answer is the full hash.
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude", "*"]
    try:
        answer = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()


def _named(files: Any, rest: str) -> dict[str, list[str]]:
    """Files of a Snakemake list by name; those without a name are together under `rest`."""
    named = {name: [value] if isinstance(value, str | Path) else list(value) for name, value in files.items()}
    seen = {path for paths in named.values() for path in paths}
    return named | {rest: [path for path in files if path not in seen]}


def _all(params: Any) -> dict[str, Any]:
    """Every parameter of a job, those without a name under `params`."""
    named = dict(params.items())
    unnamed = [value for value in params if not any(value is other for other in named.values())]
    return named | ({"params": unnamed} if unnamed else {})


def _log_to(path: str | Path | None, *, append: bool) -> logging.Handler | None:
    """Send log records and Python warnings of this process to the job's log."""
    if path is None:
        return None
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="a" if append else "w")
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    return handler


def _progress_to_terminal(name: str) -> logging.Handler:
    """Show how far a job is on stderr too: jobs run side by side, so each line says whose it is."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"{name.replace('%', '%%')}: %(message)s"))
    progress.addHandler(handler)
    progress.setLevel(logging.INFO)
    return handler


def _close_log(handler: logging.Handler | None) -> None:
    if handler is not None:
        logging.getLogger().removeHandler(handler)
        logging.captureWarnings(False)
        handler.close()


def _exit_on_sigterm() -> Any:
    """Turn SIGTERM into SystemExit, so that files and the run are closed; the handler that was there before."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
