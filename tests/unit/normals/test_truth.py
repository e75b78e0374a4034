import pytest

from tracklearn.errors import UserError
from tracklearn.normals.truth import Truth


def test_a_file_of_another_kind_is_refused(nyuv2):
    with pytest.raises(UserError, match="no true normals in it; delete it and run again"):
        Truth(nyuv2)
