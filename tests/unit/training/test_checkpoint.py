import re

import pytest
import torch

from tracklearn import files
from tracklearn.training.checkpoint import NEWEST, PREVIOUS, Checkpoint, load_checkpoint, save_checkpoint


def checkpoint(iteration):
    weights = torch.full((2, 3), float(iteration))
    return Checkpoint(
        {"net": {"conv1.weight": weights}, "velocity": {"conv1.weight": -weights}}, {"iteration": iteration}
    )


def test_what_is_loaded_is_what_was_saved(tmp_path):
    save_checkpoint(tmp_path, checkpoint(7))
    found = load_checkpoint(tmp_path)
    assert found.numbers == {"iteration": 7}
    assert found.tensors["net"]["conv1.weight"].tolist() == [[7.0] * 3] * 2
    assert found.tensors["velocity"]["conv1.weight"].tolist() == [[-7.0] * 3] * 2


def test_two_are_kept(tmp_path):
    for iteration in (1, 2, 3):
        save_checkpoint(tmp_path, checkpoint(iteration))
    assert sorted(path.name for path in tmp_path.iterdir()) == [NEWEST, PREVIOUS]
    (tmp_path / NEWEST).unlink()  # as when killed between the two renames
    assert load_checkpoint(tmp_path).numbers == {"iteration": 2}


def test_a_truncated_one_gives_way_to_the_one_before(tmp_path):
    for iteration in (1, 2):
        save_checkpoint(tmp_path, checkpoint(iteration))
    whole = (tmp_path / NEWEST).read_bytes()
    for length in (0, 4, 20, len(whole) // 2, len(whole) - 1):
        (tmp_path / NEWEST).write_bytes(whole[:length])
        assert load_checkpoint(tmp_path).numbers == {"iteration": 1}, length


def test_a_damaged_one_gives_way_to_the_one_before_and_is_told(tmp_path, caplog):
    for iteration in (1, 2):
        save_checkpoint(tmp_path, checkpoint(iteration))
    whole = (tmp_path / NEWEST).read_bytes()
    padding = whole[: 8 + int.from_bytes(whole[:8], "little")].rstrip(b" ")
    for position in [*range(len(padding)), *range(len(whole) - 48, len(whole))]:  # the header, then all values
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 7
        (tmp_path / NEWEST).write_bytes(damaged)
        assert load_checkpoint(tmp_path).numbers == {"iteration": 1}, position
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == len(padding) + 48
    assert all(line.startswith(f"{tmp_path / NEWEST}: the checkpoint cannot be read (") for line in lines)
    assert lines[-1].endswith("; the one before it is taken")
    assert re.search(r"\(checksum [0-9a-f]{8}, expected [0-9a-f]{8}\)", lines[-1])


def test_a_truncated_one_never_takes_the_place_of_the_one_before(tmp_path, monkeypatch):
    """Killed between the two renames of the next save."""
    for iteration in (1, 2):
        save_checkpoint(tmp_path, checkpoint(iteration))
    (tmp_path / NEWEST).write_bytes((tmp_path / NEWEST).read_bytes()[:50])
    assert load_checkpoint(tmp_path).numbers == {"iteration": 1}

    def killed(temporary, path):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, checkpoint(2))
    assert load_checkpoint(tmp_path).numbers == {"iteration": 1}


def test_an_empty_folder_holds_none(tmp_path):
    assert load_checkpoint(tmp_path) is None
