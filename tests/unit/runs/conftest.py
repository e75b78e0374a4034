"""Jobs as Snakemake hands them to a script, in an empty working directory."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import Namedlist


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SimpleNamespace]:
    """Make a job: `job("track", shard="00003", output={...}, input={...}, params={...})`."""
    monkeypatch.chdir(tmp_path)
    for variable in ("MLFLOW_TRACKING_URI", "TRACKLEARN_EXPERIMENT"):
        monkeypatch.delenv(variable, raising=False)

    def make(
        rule: str,
        *,
        input: dict | None = None,
        output: dict | None = None,
        params: dict | None = None,
        **wildcards: str,
    ) -> SimpleNamespace:
        return SimpleNamespace(
            rule=rule,
            wildcards=Namedlist(fromdict=wildcards),
            input=named_files(input or {}),
            output=named_files(output or {}),
            params=Namedlist(fromdict=params or {}),
            log=Namedlist(toclone=[f"logs/{rule}.log"]),
            threads=1,
        )

    return make


def named_files(files: dict) -> Namedlist:
    """Snakemake's list of files: a name may stand for several of them."""
    result = Namedlist()
    for name, value in files.items():
        first = len(result)
        result.extend([value] if isinstance(value, str) else value)
        result._set_name(name, first, end=None if isinstance(value, str) else len(result))
    return result


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory) -> bytes:
    """A store with its schema and nothing in it: making one costs seconds."""
    from mlflow import MlflowClient  # noqa: PLC0415

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}")
    return path.read_bytes()


@pytest.fixture
def store(job, empty_store) -> Path:
    """The store of the working directory, warm."""
    path = Path("results/mlflow/mlflow.db")
    path.parent.mkdir(parents=True)
    path.write_bytes(empty_store)
    return path
