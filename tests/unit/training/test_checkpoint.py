import json
import re
import zlib

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tracklearn import files
from tracklearn.errors import UserError
from tracklearn.training.checkpoint import (
    NEWEST,
    PREVIOUS,
    Checkpoint,
    digest_of_weights,
    load_checkpoint,
    save_checkpoint,
)

IDENTITY = {
    "training": "ranking",
    "schedule": {"lr": 0.001, "step": None, "batch": 100},
    "mean_bgr": (104.0, 117.0, 123.0),
    "stores": [{"name": "00000.h5", "bytes": 5000}],
}


def checkpoint(iteration, identity=IDENTITY):
    weights = torch.full((2, 3), float(iteration))
    return Checkpoint(
        {"net": {"conv1.weight": weights}, "velocity": {"conv1.weight": -weights}}, {"iteration": iteration}, identity
    )


def test_what_is_loaded_is_what_was_saved(tmp_path):
    save_checkpoint(tmp_path, checkpoint(7))
    loaded = load_checkpoint(tmp_path, IDENTITY)
    assert loaded.numbers == {"iteration": 7}
    assert loaded.tensors["net"]["conv1.weight"].tolist() == [[7.0] * 3] * 2
    assert loaded.tensors["velocity"]["conv1.weight"].tolist() == [[-7.0] * 3] * 2
    assert loaded.identity == IDENTITY | {"mean_bgr": [104.0, 117.0, 123.0]}


def test_two_checkpoints_are_kept(tmp_path):
    for iteration in (1, 2, 3):
        save_checkpoint(tmp_path, checkpoint(iteration))
    assert sorted(path.name for path in tmp_path.iterdir()) == [NEWEST, PREVIOUS]
    (tmp_path / NEWEST).unlink()  # as when killed between the two renames
    assert load_checkpoint(tmp_path, IDENTITY).numbers == {"iteration": 2}


def test_instead_of_a_truncated_checkpoint_the_previous_one_is_used(tmp_path):
    for iteration in (1, 2):
        save_checkpoint(tmp_path, checkpoint(iteration))
    whole = (tmp_path / NEWEST).read_bytes()
    for length in (0, 4, 20, len(whole) // 2, len(whole) - 1):
        (tmp_path / NEWEST).write_bytes(whole[:length])
        assert load_checkpoint(tmp_path, IDENTITY).numbers == {"iteration": 1}, length


def test_instead_of_a_damaged_checkpoint_the_previous_one_is_used_with_a_warning(tmp_path, caplog):
    for iteration in (1, 2):
        save_checkpoint(tmp_path, checkpoint(iteration))
    whole = (tmp_path / NEWEST).read_bytes()
    padding = whole[: 8 + int.from_bytes(whole[:8], "little")].rstrip(b" ")
    for position in [*range(len(padding)), *range(len(whole) - 48, len(whole))]:  # the header, then all values
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 7
        (tmp_path / NEWEST).write_bytes(damaged)
        assert load_checkpoint(tmp_path, IDENTITY).numbers == {"iteration": 1}, position
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == len(padding) + 48
    assert all(line.startswith(f"{tmp_path / NEWEST}: the checkpoint cannot be read (") for line in lines)
    assert lines[-1].endswith("; the previous checkpoint is used")
    assert re.search(r"\(checksum [0-9a-f]{8}, expected [0-9a-f]{8}\)", lines[-1])


def test_a_truncated_checkpoint_never_replaces_the_previous_one(tmp_path, monkeypatch):
    """Even if the process is killed between the two renames of the next save."""
    for iteration in (1, 2):
        save_checkpoint(tmp_path, checkpoint(iteration))
    (tmp_path / NEWEST).write_bytes((tmp_path / NEWEST).read_bytes()[:50])
    assert load_checkpoint(tmp_path, IDENTITY).numbers == {"iteration": 1}

    def killed(temporary, path):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, checkpoint(2))
    assert load_checkpoint(tmp_path, IDENTITY).numbers == {"iteration": 1}


def test_an_empty_folder_holds_no_checkpoint(tmp_path):
    assert load_checkpoint(tmp_path, IDENTITY) is None


REMEDY = "remove the folder, or give another `checkpoints` folder"


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"training": "voc"}, 'training "ranking", and this training has "voc"'),
        (
            {"schedule": {"lr": 0.003, "step": None, "batch": 50}},
            "schedule.lr 0.001, and this training has 0.003",  # the first of two differences
        ),
        ({"schedule": {"lr": 0.001, "step": 80, "batch": 100}}, "schedule.step null, and this training has 80"),
        ({"schedule": {"lr": 0.001, "step": None}}, "schedule.batch 100, and this training has absent"),
        ({"seed": 1}, "seed absent, and this training has 1"),
        ({"mean_bgr": (104.0, 117.0, 0.0)}, "mean_bgr[2] 123.0, and this training has 0.0"),
        (
            {"stores": [{"name": "00001.h5", "bytes": 5000}]},
            'stores[0].name "00000.h5", and this training has "00001.h5"',
        ),
        ({"stores": []}, 'stores[0].name "00000.h5", and this training has absent'),
    ],
)
def test_a_checkpoint_of_another_identity_is_refused_and_kept(tmp_path, changes, difference):
    save_checkpoint(tmp_path, checkpoint(7))
    with pytest.raises(UserError) as raised:
        load_checkpoint(tmp_path, IDENTITY | changes)
    name, before = difference.partition(", and")[0].split(" ", 1)
    back = f"take {name} out" if before == "absent" else f"set {name} back to {before}"
    assert str(raised.value) == f"{tmp_path}: the checkpoint was made with {difference}; {back}, {REMEDY}"
    assert load_checkpoint(tmp_path, IDENTITY).numbers == {"iteration": 7}


def test_equal_numbers_and_lists_are_an_equal_identity(tmp_path):
    save_checkpoint(tmp_path, checkpoint(7, {"margin": 1, "mean_bgr": (104.0, 117, 123), "loss": {}}))
    identity = {"mean_bgr": [104, 117.0, 123.0], "margin": 1.0}  # in another order, without the empty block
    assert load_checkpoint(tmp_path, identity).numbers == {"iteration": 7}


def test_a_checkpoint_of_an_older_version_is_refused_and_kept(tmp_path):
    """Older versions recorded numbers alone, and their checksum covered numbers and tensors."""
    weights, numbers = torch.ones(3), json.dumps({"iteration": 7})
    value = zlib.crc32(b"net/conv1.bias torch.float32 (3,)", zlib.crc32(numbers.encode()))
    checksum = f"{zlib.crc32(weights.numpy().tobytes(), value):08x}"
    save_file({"net/conv1.bias": weights}, tmp_path / NEWEST, {"numbers": numbers, "crc32": checksum})
    with pytest.raises(UserError) as raised:
        load_checkpoint(tmp_path, IDENTITY)
    assert str(raised.value) == (
        f"{tmp_path}: the checkpoint is of an older version, which recorded no identity; {REMEDY}"
    )
    assert (tmp_path / NEWEST).exists()


def test_a_damaged_identity_is_a_damaged_checkpoint(tmp_path, caplog):
    save_checkpoint(tmp_path, checkpoint(7))
    with safe_open(tmp_path / NEWEST, framework="pt") as stored:
        metadata, tensors = stored.metadata(), {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    edited = metadata | {"settings": metadata["settings"].replace("0.001", "0.003")}
    save_file(tensors, tmp_path / NEWEST, edited)
    assert load_checkpoint(tmp_path, IDENTITY) is None
    assert "the checkpoint cannot be read (checksum " in caplog.text


def test_the_digest_of_a_parent_is_that_of_its_file(tmp_path):
    (tmp_path / "parent.safetensors").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert digest_of_weights(tmp_path / "parent.safetensors") == expected
    assert digest_of_weights(None) is None
