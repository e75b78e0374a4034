import re

import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.npz import read_arrays, write_arrays


@pytest.mark.parametrize("name", ["cell.npz", "cell", "cell.7.draws"])
def test_arrays_come_back_from_a_file_of_any_name(tmp_path, name):
    write_arrays(tmp_path / "new" / name, box=np.eye(3, dtype=np.float32), label=["car", "train"], scale=2.5)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]
    found = read_arrays(tmp_path / "new" / name)
    assert found.keys() == {"box", "label", "scale"}
    assert found["box"].dtype == np.float32 and np.array_equal(found["box"], np.eye(3))
    assert found["label"].tolist() == ["car", "train"] and found["scale"] == 2.5


def test_arrays_come_in_the_order_asked_for(tmp_path):
    write_arrays(tmp_path / "a.npz", a=1, b=2, c=3)
    assert [int(value) for value in read_arrays(tmp_path / "a.npz", "c", "a").values()] == [3, 1]


def cut(content):
    return content[:-30]


def changed(content):
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]


@pytest.mark.parametrize(
    "damage", [cut, changed, lambda content: b"", lambda content: b"words\n", lambda content: content[:128]]
)
def test_what_cannot_be_read_is_named(tmp_path, damage):
    path = tmp_path / "cell.npz"
    write_arrays(path, draws=np.arange(1000.0))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=rf"^{re.escape(str(path))}: cannot be read .*; delete it and run again$"):
        read_arrays(path)


def test_other_kinds_of_files_are_named(tmp_path):
    write_arrays(tmp_path / "cell.npz", draws=[1.0])
    np.save(tmp_path / "one.npy", np.zeros(3))
    for path, name in ((tmp_path / "cell.npz", "words"), (tmp_path / "one.npy", "draws")):
        with pytest.raises(UserError, match=r"cannot be read .*; delete it and run again$"):
            read_arrays(path, name)


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "cell.npz")
