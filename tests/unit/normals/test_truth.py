import h5py
import pytest

from tracklearn.errors import UserError
from tracklearn.normals.truth import Truth


@pytest.mark.parametrize(
    "write",
    [
        lambda file: None,
        lambda file: file.create_group("normals"),
        lambda file: file.create_dataset("normals", data=[0]),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, write):
    with h5py.File(tmp_path / "truth.h5", "w") as file:
        write(file)
    with pytest.raises(UserError, match="no true normals in it; delete it and run again"):
        Truth(tmp_path / "truth.h5")
