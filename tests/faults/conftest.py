"""Faults are injected into the tiny experiment of the workflow tests: `make test-faults`."""

import importlib.util
from pathlib import Path

# By its path, since this file has the same name.
path = Path(__file__).parents[1] / "workflow/conftest.py"
specification = importlib.util.spec_from_file_location("tiny_world", path)
tiny_world = importlib.util.module_from_spec(specification)
specification.loader.exec_module(tiny_world)

finished = tiny_world.finished
