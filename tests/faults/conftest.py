"""Faults are injected into the tiny experiment of the workflow tests: `make test-faults`."""

import importlib.util
import sys
from pathlib import Path

WORKFLOW_TESTS = Path(__file__).parents[1] / "workflow"
sys.path.insert(0, str(WORKFLOW_TESTS))
specification = importlib.util.spec_from_file_location("tiny_world", WORKFLOW_TESTS / "conftest.py")
tiny_world = importlib.util.module_from_spec(specification)
specification.loader.exec_module(tiny_world)

checkout, finished = tiny_world.checkout, tiny_world.finished
