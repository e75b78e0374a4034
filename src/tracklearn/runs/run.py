"""The record of a job: `with recorded(snakemake) as run:` around the one call that a script makes.

Every job pays for the import of this module, which therefore imports neither MLflow nor Snakemake nor numpy.
"""

import gc
import hashlib
import logging
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from numbers import Real
from pathlib import Path
from typing import Any

from tracklearn.errors import UserError, one_line
from tracklearn.files import atomic
from tracklearn.machine.lease import Lease, LeaseLostError, Writer, confirm
from tracklearn.machine.threads import limit_threads
from tracklearn.machine.usage import Samples
from tracklearn.report import progress
from tracklearn.runs.datasets import datasets_of
from tracklearn.runs.job import by_name, cell_of, flatten
from tracklearn.runs.logged_model import keep_network
from tracklearn.runs.output import duration, in_words, is_shown_from, log_and_terminal
from tracklearn.runs.provenance import git_tags, version_tags, versions_behind
from tracklearn.runs.spool import Event, Spool, key_of

CHECKPOINTS = Path("results/checkpoints")
MODELS = "results/models/"
KEPT = {".png", ".html", ".svg"}  # outputs of these types are kept with the run
KEPT_IF_SMALL = {".json", ".csv", ".tsv", ".md", ".log", ".txt"}
SMALL = 1_000_000  # bytes
LATENCY = 60.0  # seconds after which a network filesystem shows what another host has written, as in profiles/slurm

log = logging.getLogger(__name__)


@contextmanager
def recorded(job: Any) -> Iterator["Run"]:
    """Run a job: be its only writer, limit its threads, write its log, record its run, and report its errors.

    Where another process writes the same outputs, this one waits until that process has ended. If it made the outputs,
    in a run with the same key, this job is done.

    Args:
        job: the `snakemake` object of a script.

    Raises:
        SystemExit: with status 1 after a `UserError`, a full disk or exhausted memory, which take one line on stderr;
            with status 130 or 143 after Ctrl-C or SIGTERM; with status 0 where another process did the job. Any other
            exception keeps its traceback, on stderr or in the log where another process shows its lines.
    """
    gc.freeze()  # what the imports made is never garbage; searching it takes half a second when a job with torch ends
    run = Run(job)
    log_file = next(iter(job.log), None)
    sigterm_before = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        alone = run._take_lease()
        with log_and_terminal(run.name, log_file, append=not alone or run.previous_attempt_unfinished):
            if not alone:
                run._wait()
            if run._outputs_made():
                progress.info("another process has made all files")
                raise SystemExit(0)
            limit_threads(job.threads)
            run._record_start()
            try:
                yield run
                with suppress(OSError):  # the outputs are made, whatever troubles the folder of leases
                    confirm()
                run._lease.stop_heartbeat()  # the files are made: from here on, a loss of the lease stops nothing
            except BaseException as error:
                status = run._end_after(error)
                if status is None and not is_shown_from(log_file):
                    raise
                raise SystemExit(1 if status is None else status) from None
            run._record_end(
                "FINISHED", ": ".join(filter(None, [f"done in {run.elapsed}", in_words(run.final_metrics)]))
            )
    finally:
        run._lease.release()
        signal.signal(signal.SIGTERM, sigterm_before)


class Run:
    """The record of one job, over all its attempts.

    Attributes:
        name: the rule and its wildcards.
        key: digest of the rule, the wildcards, the params and the inputs. The key of the run that wrote an input stands
            for this input, with a digest of its content if it was changed since (`changing`); if no job wrote it, its
            path, size and time do. A job that resumes has the same key and continues its run; a job that changed has
            another key and another run.
        previous_attempt_unfinished: whether the attempt before this one failed, was stopped or was killed.
        final_metrics: the numbers that `metrics` recorded.
        spool: the runs on disk.
    """

    def __init__(self, job: Any) -> None:
        self._job, self.spool = job, Spool()
        self._params = dict(job.params.items())
        self.name = " ".join([job.rule, *job.wildcards])
        self._origins = {path: self._origin(path) for path in job.input}
        self.key = key_of([job.rule, list(job.wildcards), self._params, [self._origins[path] for path in job.input]])
        folder = "-".join([job.rule, *job.wildcards]).replace("/", "+")
        self._checkpoints = CHECKPOINTS / folder / self.key
        self._weights = next(iter(by_name(job.output).get("weights", [])), None)
        self._artifacts = self.spool.folder(self.key) / "artifacts"
        # The job is named by its first output, which several rules may make, as settings have it.
        self._lease_folder = self.spool.lease(os.path.relpath(next(iter(job.output), f"{folder} has no output")))
        self._lease = Lease(self._lease_folder)
        self._lease_error: OSError | None = None
        self.previous_attempt_unfinished = False
        self._attempt = 1
        self._last_steps: dict[str, int] = {}  # by curve
        self.final_metrics: dict[str, float] = {}
        self._warned = False
        self._usage = Samples()
        self._start_time = time.monotonic()

    def _take_lease(self) -> bool:
        """Be the only writer of the job's outputs from now on, unless another process writes them."""
        alone = True
        try:
            alone = self._lease.take()
        except OSError as error:
            self._lease_error = error
        self._read_past()
        return alone

    def _wait(self, *, here: bool = True) -> None:
        """Wait until no other process writes the outputs.

        Args:
            here: no other host has written the outputs, as far as is known.
        """
        writers: list[Writer] = []

        def tell(writer: Writer) -> None:
            writers.append(writer)
            progress.warning("waiting for %s, which writes the same files", writer)

        try:
            self._lease.wait(tell)
            self._read_past()
            # A network filesystem shows late what another host has written.
            deadline = time.monotonic() + (0.0 if here and all(writer.is_here for writer in writers) else LATENCY)
            while self._ran_whole and not self._outputs_made() and time.monotonic() < deadline:
                time.sleep(1.0)
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        except OSError as error:
            progress.error("another process writes the same files, and it cannot be waited for: %s", error)
            raise SystemExit(1) from None
        self._start_time = time.monotonic()

    @property
    def _ran_whole(self) -> bool:
        """Whether the last attempt before this one made all outputs."""
        return self._attempt > 1 and not self.previous_attempt_unfinished

    def _outputs_made(self) -> bool:
        """Whether another process has made all outputs in a run with this key since this job was started.

        Snakemake removes all outputs before it starts a job. A folder may have lost some of its files then, if another
        process was filling it.
        """
        return bool(self._job.output) and self._ran_whole and self._made_by_this_run(Path.is_file)

    def _made_by_this_run(self, is_there: Callable[[Path], bool]) -> bool:
        """Whether all outputs are there, and the last run that made each of them has this key."""
        return all(is_there(Path(path)) and self.spool.maker(str(path)) == self.key for path in self._job.output)

    def _read_past(self) -> None:
        """Read what earlier attempts recorded."""
        past: list[Event] = []
        with suppress(OSError):  # the first event to write meets the same error and reports it
            past, _ = self.spool.read(self.key)
        attempts = [event for event in past if event["event"] in ("start", "end")]
        self.previous_attempt_unfinished = bool(attempts) and attempts[-1].get("status") != "FINISHED"
        self._attempt = 1 + sum(event["event"] == "start" for event in attempts)
        for event in past:
            if event["event"] == "metrics":
                self._last_steps |= dict.fromkeys(event["values"], event["step"])

    @property
    def elapsed(self) -> str:
        """The time of this attempt so far, in words."""
        return duration(time.monotonic() - self._start_time)

    @property
    def checkpoints(self) -> Path:
        """The folder of the job's checkpoints; reading this property removes older checkpoints of a job that changed.

        The folder lies outside the declared outputs, because Snakemake removes these after a failure. The key is part
        of its name, so that the same job resumes. Pictures in the folder are added to the run at the next report.
        """
        for old in self._checkpoints.parent.glob("*"):
            if old.name != self.key:
                log.warning("the job changed since it was interrupted: its old checkpoints are removed (%s)", old)
                shutil.rmtree(old)
        return self._checkpoints

    def lineage(self, paths: Iterable[str | Path]) -> list[str]:
        """Keys of the runs that wrote these files, without the runs behind their inputs.

        Each key appears once, in the order of the files. A file that no job wrote is left out.
        """
        makers = (self.spool.maker(str(path)) for path in paths)
        return list(dict.fromkeys(key for key in makers if key))

    def versions(self, paths: Iterable[str | Path]) -> dict[str, dict[str, int]]:
        """Versions of the libraries in the runs that wrote these files, and in all runs behind their inputs.

        Returns:
            {library: {version: number of runs}}.
        """
        return versions_behind(self.spool, self.lineage(paths))

    @contextmanager
    def changing(self, path: str | Path) -> Iterator[None]:
        """Surround what changes a file of another job in place: if it did, jobs with this input get other keys."""
        before = _digest(path)
        try:
            yield
        finally:
            if (after := _digest(path)) != before:
                with self._warn_if_unrecorded():
                    self.spool.set_content(str(path), after)

    def report(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each curve, unless the curve already has a point at this or a later step.

        A job that resumes repeats the steps after its last checkpoint, and the curves have their points already.
        """
        new = {name: float(value) for name, value in values.items() if step > self._last_steps.get(name, -1)}
        if new:
            self._last_steps |= dict.fromkeys(new, step)
            self._record("metrics", step=step, values=new)
        self._keep_pictures()
        self._sample_usage()

    def metrics(self, values: Mapping[str, Any]) -> None:
        """Record the final metrics, each at the end of its curve if it has one; a value that is no number is a tag."""
        final_metrics = {name: float(value) for name, value in values.items() if isinstance(value, Real)}
        self.final_metrics |= final_metrics
        by_step: dict[int, dict[str, float]] = {}
        for name, value in final_metrics.items():
            by_step.setdefault(self._last_steps.get(name, 0), {})[name] = value
        for step, metrics_at_step in by_step.items():
            self._record("metrics", step=step, values=metrics_at_step, final=True)
        if tags := {name: str(value) for name, value in values.items() if name not in final_metrics}:
            self._record("tags", tags=tags)

    def _record_start(self) -> None:
        """Record that an attempt begins."""
        if self._lease_error:
            log.warning(
                "another process may be writing the same files: the lease cannot be written (%s)", self._lease_error
            )
        params, git = dict(self._params), git_tags()
        tags = {
            "rule": self._job.rule,
            **{f"wildcard.{name}": value for name, value in self._job.wildcards.items()},
            "code": params.pop("code", "unknown"),
            "mlflow.source.name": self._job.rule,
            "mlflow.source.type": "JOB",
            **git,
            "host": socket.gethostname(),
            "threads": str(self._job.threads),
            "attempts": str(self._attempt),
            **version_tags(),
        }
        attempt = f"attempt {self._attempt} of run {self.key} on {tags['host']}"
        commit = " ".join(["commit", git.get("mlflow.source.git.commit", "unknown")])
        changed = " and changed files" if git.get("mlflow.source.git.dirty") == "true" else ""
        log.info("%s: %s, threads: %d, %s%s", self.name, attempt, self._job.threads, commit, changed)
        inputs, outputs = by_name(self._job.input), list(map(str, self._job.output))
        makers = {name: self.lineage(paths) for name, paths in inputs.items()}
        image_set = dict(self._job.wildcards.items()).get("set", "")
        self._record(
            "start",
            name=self.name,
            params=dict(flatten(params)),
            tags=tags,
            inputs={name: keys for name, keys in makers.items() if keys},
            datasets=datasets_of(params, inputs, self._origins, image_set),
            network=str(Path(self._weights).parent).removeprefix(MODELS) if self._weights else None,
            cell=cell_of(outputs),
            pages=[path for path in outputs if path.endswith(".html")],
            writer=self._lease.writer.name,
        )

    def _end_after(self, error: BaseException) -> int | None:
        """Record that the attempt ended with an error; return the exit status, or None for an unexpected error."""
        if self._lost_lease():
            # A status other than 0 would have Snakemake remove the outputs, which are the other process's.
            self._wait(here=False)
            return 0 if self._made_by_this_run(Path.exists) else 1
        if isinstance(error, KeyboardInterrupt | SystemExit):
            status = getattr(error, "code", 130)
            cause = {130: "SIGINT", 143: "SIGTERM"}.get(status, f"exit status {status}")
            line = f"stopped by {cause} after {self.elapsed}"
            self._record_end("KILLED", line, error=line)
            return status or 0
        if message := one_line(error, self._job.input):
            self._record_end("FAILED", message, error=message)
            return 1
        kind = type(error).__name__
        log.critical("%s is an unexpected error", kind, exc_info=error)
        line = f"failed after {self.elapsed}: {kind} (see the traceback)"
        self._record_end("FAILED", line, error=f"{kind}: {error}")
        return None

    def _lost_lease(self) -> bool:
        """Whether another process has taken the job over."""
        with suppress(SystemExit):  # the thread that shows heartbeats may notice the loss first, and send SIGTERM
            self._lease.stop_heartbeat()
            time.sleep(0.01)
        try:
            confirm()
        except LeaseLostError as lost:
            progress.error("%s", lost)
            self._lease.release()
            self._lease = Lease(self._lease_folder)
            return True
        except OSError:  # what cannot be known now is left to the next attempt
            pass
        return False

    def _record_end(self, status: str, line: str, *, error: str | None = None) -> None:
        """Print `line` and record how the attempt ended. Outputs are recorded only of an attempt without an error."""
        progress.log(logging.ERROR if error else logging.INFO, "%s", line)
        self._warned = self._warned or error is not None  # the error stays the last line
        self._keep_pictures()
        outputs = [] if error else list(map(str, self._job.output))
        with self._warn_if_unrecorded():
            self.spool.set_maker(outputs, self.key)
            for path in map(Path, [*self._job.log, *outputs]):
                small = path.suffix in KEPT_IF_SMALL and path.is_file() and path.stat().st_size < SMALL
                if small or (path.suffix in KEPT and path.is_file()):
                    self._keep(path, path.name if path.is_absolute() or ".." in path.parts else path)
            if self._weights and not error:
                keep_network(self._weights, self.spool.folder(self.key) / "model")
        self._record("end", status=status, tags={"error": error} if error else {}, line=line)

    def _sample_usage(self) -> None:
        """Record what the job uses if it is a training."""
        if self._weights and (values := self._usage.take()):
            step = 1 + max(self._last_steps.get(name, -1) for name in values)
            self._last_steps |= dict.fromkeys(values, step)
            self._record("metrics", step=step, values=values)

    def _origin(self, path: str) -> Any:
        """What stands for an input in the key: the key of its run, or its path, size and time."""
        maker = self.spool.maker(path)
        if maker or not Path(path).exists():
            content = self.spool.content(path)
            return [maker, content] if content else maker or path
        found = Path(path).stat()
        return [path, found.st_size, found.st_mtime_ns]

    def _keep_pictures(self) -> None:
        """Add the new pictures in the folder of checkpoints to the run."""
        with self._warn_if_unrecorded():
            for path in sorted(self._checkpoints.glob("[!.]*.png")):
                name = f"checkpoints/{path.name}"
                if not (self._artifacts / name).exists():
                    self._keep(path, name)
                    self._record("artifact", path=name)

    def _keep(self, path: Path, name: str | Path) -> None:
        with atomic(self._artifacts / name) as temporary:
            shutil.copyfile(path, temporary)

    def _record(self, event: str, **content: Any) -> None:
        with self._warn_if_unrecorded():
            self.spool.append(self.key, {"event": event, "time": time.time(), **content})

    @contextmanager
    def _warn_if_unrecorded(self) -> Iterator[None]:
        """Within the block, an error is logged as a warning, once, and not raised: a job does not need its record."""
        try:
            yield
        except (OSError, UserError) as error:
            if not self._warned:
                log.warning("the run cannot be recorded (%s); the job continues without a record", error)
            self._warned = True


def _digest(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:20]
