"""Twenty mutated inputs of each kind, and those that failed before; `make fuzz` tries three hundred."""

import re
from types import SimpleNamespace

import pytest

from fuzz import mutations, regressions, trials
from fuzz.__main__ import KINDS, run
from fuzz.regressions import FAILED_ONCE
from tracklearn.errors import UserError

TRIES = 20


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_inputs_are_refused_in_one_line_or_read_rightly(kind):
    numbers = sorted({*range(TRIES), *FAILED_ONCE.get(kind, ())})
    ended = run(kind, numbers)
    found = re.search(rf"^{kind}: (\d+) tries, (\d+) refused, (\d+) right, 0 failed$", ended.stdout, re.MULTILINE)
    assert ended.returncode == 0 and found, ended.stdout + ended.stderr
    tries, refused, right = map(int, found.groups())
    assert tries == len(numbers) == refused + right


def test_mutations_are_those_of_the_seed():
    data = bytes(range(256)) * 4
    changed = [mutations.mutated(data, mutations.Random(seed), ()) for seed in range(50)]
    assert changed == [mutations.mutated(data, mutations.Random(seed), ()) for seed in range(50)]
    assert len(set(changed)) > 45


@pytest.fixture
def outcomes(monkeypatch):
    """Runs one trial of a reader and tells what came of it."""

    def run_reader(read):
        def write_samples(folder):
            (folder / "a.txt").write_text("a")

        module = SimpleNamespace(write_samples=write_samples, mutated=lambda folder: ["a.txt"], EDITS={}, read=read)
        monkeypatch.setattr(trials, "import_module", lambda name: module)
        return [(outcome.kind, outcome.line) for outcome in trials.trials("stub", [0, 1])]

    return run_reader


def test_a_seed_that_gives_another_input_than_once_fails(outcomes, monkeypatch):
    monkeypatch.setattr(trials, "FAILED_ONCE", {"stub": {0: regressions.CHANGING, 1: "01234567"}})
    right, (kind, line) = outcomes(lambda folder, name: None)
    assert (right, kind) == (("right", "a.txt"), "failed")
    assert line.startswith("a.txt: the input of this seed was 01234567 and is ")


def test_failures_are_found(outcomes, monkeypatch):
    """Each way to fail, with a reader that fails so; the trials after it go on."""

    def refuse(folder, name):
        raise UserError("no\nfile")

    def outside(folder, name):
        (folder.parent / "beside").write_text("x")

    monkeypatch.setattr(trials, "PATIENCE", 1)
    assert outcomes(lambda folder, name: None) == [("right", "a.txt")] * 2
    assert outcomes(refuse) == [("refused", "a.txt: no file")] * 2
    assert outcomes(lambda folder, name: 1 / 0)[1][1].startswith("a.txt: ZeroDivisionError")
    assert outcomes(outside)[0][1].startswith("a.txt: files outside the folder")
    assert outcomes(lambda folder, name: bytearray(3 << 30))[1][1].startswith("a.txt: MemoryError")
    assert outcomes(lambda folder, name: trials.os.abort()) == [("failed", "died (signal 6)")] * 2
    assert outcomes(lambda folder, name: [None for _ in iter(int, 1)]) == [("failed", "died (signal 24)")] * 2
