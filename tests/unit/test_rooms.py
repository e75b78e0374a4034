"""The layout: a room imports rooms above it only; a stage's word names its rules, scripts, room, results and tests."""

import ast
import re

import pytest

ROOMS = (
    "videos",
    "mining",
    "patches",
    "voc",
    "experiment",
    "tables",
    "networks",
    "training",
    "ranking",
    "supervised",
    "features",
    "detection",
    "retrieval",
    "scenes",
    "frozen",
    "figures",
    "normals",
)
OPEN_TO_ALL = (
    *("errors", "files", "hdf5", "npz", "download", "photos", "seeds", "report", "settings"),
    *("pages", "machine", "runs"),
)
MODELS = ("networks", "training", "ranking", "supervised")  # rooms behind the rules of models.smk


def imported_rooms(file):
    """Rooms of tracklearn that a file imports, inside functions too."""
    rooms = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("tracklearn.")}
    return rooms


def room_of(package, file):
    return file.relative_to(package).parts[0].removesuffix(".py")


@pytest.fixture
def package(repository):
    return repository / "src/tracklearn"


def test_every_room_is_listed_here(package):
    there = {path.name.removesuffix(".py") for path in package.iterdir() if not path.name.startswith("_")}
    assert there == {*ROOMS, *OPEN_TO_ALL}


def test_a_room_imports_rooms_above_it_only(package):
    files = [file for file in package.rglob("*.py") if room_of(package, file) in ROOMS]
    assert len(files) > 50
    for file in files:
        own = ROOMS.index(room_of(package, file))
        for room in imported_rooms(file) - set(OPEN_TO_ALL):
            assert ROOMS.index(room) <= own, f"{file.relative_to(package)} imports {room}, a room below its own"


def test_what_is_open_to_all_imports_no_room(package):
    for file in package.rglob("*.py"):
        if room_of(package, file) in OPEN_TO_ALL:
            assert imported_rooms(file) <= set(OPEN_TO_ALL), file.relative_to(package)


def test_nothing_but_the_scripts_opens_a_run_and_nothing_but_its_store_imports_mlflow(package):
    for file in package.rglob("*.py"):
        if room_of(package, file) != "runs":
            assert "runs" not in imported_rooms(file), file.relative_to(package)
        if file.name != "mlflow_store.py":
            assert not re.search(r"^\s*(from|import) mlflow\b", file.read_text(), re.MULTILINE), file


def rules_by_stage(repository):
    found = {}
    for file in sorted((repository / "workflow/rules").glob("*.smk")):
        found[file.stem] = re.findall(r"^ *rule (\w+):", file.read_text(), re.MULTILINE)
    del found["common"]
    return found


def test_a_stages_word_names_its_rules_scripts_room_and_tests(repository, package):
    scripts = repository / "workflow/scripts"
    stages = rules_by_stage(repository)
    assert {path.name for path in scripts.iterdir() if path.name != "__pycache__"} == set(stages)
    for stage, rules in stages.items():
        assert rules, stage
        assert all(rule.startswith(f"{stage}_") for rule in rules), rules
        assert all(script.stem in rules for script in (scripts / stage).glob("*.py")), stage
        for room in MODELS if stage == "models" else [stage]:
            assert (package / room).is_dir(), room
            assert (repository / "tests/unit" / room).is_dir(), room


def test_results_lie_in_the_folder_of_their_stage(repository):
    for file in (repository / "workflow/rules").glob("*.smk"):
        for outputs in re.findall(r"output:\n(.*?)\n +log:", file.read_text(), re.DOTALL):
            for path in re.findall(r'"results/([^/"]+)/', outputs):
                assert path in (file.stem, "cells"), f"{file.name}: results/{path}"


def test_the_workflow_page_lists_every_rule(repository):
    table = re.search(r"\| stage \|.*?\n\n", (repository / "docs/workflow.md").read_text(), re.DOTALL)[0]
    for rules in rules_by_stage(repository).values():
        for rule in rules:
            assert f"`{rule}`" in table, rule
