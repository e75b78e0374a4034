"""MLflow's spool: runs on disk that jobs wrote, and what the sender makes of them in a real store."""

import os
from itertools import count
from pathlib import Path
from random import Random
from types import SimpleNamespace

from mlflow import MlflowClient

from fuzz.mutations import TEXT
from tracklearn.runs import recorded
from tracklearn.runs.lineage import Lineage
from tracklearn.runs.provenance import versions_behind
from tracklearn.runs.sender import Sender
from tracklearn.runs.spool import Spool, key_of

os.environ["TRACKLEARN_EXPERIMENT"] = "fuzz"

NUMBERS = count()
WORDS = (b"null", b"[]", b"{}", b"-1", b"1e999", b"NaN", b'"text"', b"true", b"[[1]]", b'{"a": {"b": 1}}', b"2" * 400)


class _Files(list):
    def items(self):
        return [("weights" if path.endswith(".safetensors") else f"file{n}", path) for n, path in enumerate(self)]


def value(data: bytes, rng: Random) -> bytes:
    """The value of one key of an event becomes another, of another type perhaps."""
    places = [index for index in range(len(data)) if data[index : index + 2] == b": "]
    if not places:
        return data
    start = rng.choice(places) + 2
    end = start
    while end < len(data) and data[end : end + 1] not in b",}\n":
        end += 1
    return data[:start] + rng.choice(WORDS) + data[end:]


def line(data: bytes, rng: Random) -> bytes:
    """A line that is JSON but no event."""
    lines = data.split(b"\n")
    lines.insert(
        rng.randrange(len(lines)), rng.choice((*WORDS, b'{"event": "start"}', b'{"event": "end"}', b'{"event": 5}'))
    )
    return b"\n".join(lines)


EDITS = {".jsonl": [*TEXT, value, value, line], ".json": [*TEXT, value, value]}


def write_samples(folder: Path) -> None:
    before = Path.cwd()
    os.chdir(folder)
    try:
        Path("out").mkdir()
        for number, (rule, inputs) in enumerate(
            {"mining_track": [], "models_ranking": [0], "tables_page": [1]}.items()
        ):
            output = f"out/{number}." + ("html" if rule == "tables_page" else "csv")
            job = SimpleNamespace(
                rule=rule,
                wildcards=_Wildcards(shard=f"0000{number}"),
                input=_Files([f"out/{index}.csv" for index in inputs]),
                output=_Files([output]),
                params=_Wildcards(code="abc", lr=0.1),
                log=[],
                threads=1,
            )
            with recorded(job) as run:
                Path(output).write_text("a,b\n1,2\n")
                for step in range(3):
                    run.report(step, {"loss": 1 / (1 + step)})
                run.metrics({"pairs": 5, "note": "text"})
        uri = f"sqlite:///{Path('empty.db').resolve()}"
        Sender(uri).deliver_all()
        Path(f"results/mlflow/sent/{key_of(uri)}").rename("results/mlflow/sent/any")
    finally:
        os.chdir(before)


class _Wildcards(_Files):
    """Snakemake's named list."""

    def __init__(self, **values):
        super().__init__(map(str, values.values()))
        self._values = values

    def items(self):
        return list(self._values.items())


def mutated(folder: Path) -> list[str]:
    """Events three times as often as the small files."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json*"))
    return names + 2 * [name for name in names if name.endswith(".jsonl")]


def read(folder: Path, name: str) -> None:
    # A new name each time, because MLflow keeps its connections; progress is found by the store's address.
    store = Path("empty.db").rename(f"{next(NUMBERS)}.db")
    uri = f"sqlite:///{store.resolve()}"
    Path("results/mlflow/sent/any").rename(f"results/mlflow/sent/{key_of(uri)}")
    spool = Spool()
    keys = spool.keys()
    assert len(keys) == 3
    Lineage(spool).refresh()
    versions_behind(spool, keys)
    for number in range(3):
        assert spool.maker(f"out/{number}.csv") is None or isinstance(spool.maker(f"out/{number}.csv"), str)
    sender = Sender(uri)
    assert sender.deliver_all() == 0, sender._problems
    client = MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = {run.data.tags["key"] for run in client.search_runs(experiments)}
    assert found == set(keys), found
