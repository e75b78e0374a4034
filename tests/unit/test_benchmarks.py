"""The benchmarks, most of which run only by hand: none asks the library for a name that is gone."""

import importlib
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).parents[2] / "benchmarks").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_each_benchmark_can_be_imported(name, repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository))
    importlib.import_module(f"benchmarks.{name}")
