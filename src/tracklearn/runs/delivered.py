"""How much of each run a store has, as the sender notes it in `results/mlflow/sent/{store}/{key}.json`."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from tracklearn.files import write_json
from tracklearn.machine.lease import Writer
from tracklearn.runs.spool import is_none_or_writer


@dataclass
class Progress:
    """How much of a run the store has."""

    offset: int = 0  # in the file of events
    writer: str | None = None  # the process of the job (`lease.Writer`), from the job's start to its end
    run_id: str | None = None
    model_id: str | None = None  # of the network that the run made
    facts: str = ""  # digest of the facts that follow from other runs
    files_owed: bool = False  # the files could not be stored

    @property
    def killed(self) -> bool:
        """Whether the job has begun and not ended, and its process is dead; on another host it is taken for alive."""
        return self.writer is not None and Writer.named(self.writer).is_dead


class Delivered:
    """The progress of all runs in one store, by key; a run that is not noted has none.

    Args:
        folder: of the notes about this store.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._progress: dict[str, Progress] = {}

    def of(self, key: str) -> Progress:
        """The progress of a run, as this process knows it."""
        return self._progress.get(key) or self.read(key)

    def read(self, key: str) -> Progress:
        """The progress on disk, which another process may have changed.

        What another version wrote, or what is damaged, counts as nothing delivered.
        """
        try:
            progress = Progress(**json.loads((self._folder / f"{key}.json").read_text()))
            valid = type(progress.offset) is int and progress.offset >= 0 and is_none_or_writer(progress.writer)
        except (FileNotFoundError, TypeError, ValueError):  # TypeError: unknown keys; ValueError: damaged
            valid = False
        self._progress[key] = progress if valid else Progress()
        return self._progress[key]

    def note(self, key: str, progress: Progress) -> None:
        """Write down the progress of a run.

        Raises:
            UserError: the disk is full.
        """
        write_json(self._folder / f"{key}.json", asdict(progress), indent=None)
        self._progress[key] = progress

    def forget(self) -> None:
        """Take all runs for undelivered."""
        self._progress = {}
        shutil.rmtree(self._folder, ignore_errors=True)
