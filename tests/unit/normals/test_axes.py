from itertools import permutations, product

import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.normals.axes import AxesCheck, with_axes
from tracklearn.settings.normals import Normals

ALL = [
    " ".join("-" * (sign < 0) + name for name, sign in zip(names, signs, strict=True))
    for names in permutations("xyz")
    for signs in product((1, -1), repeat=3)
]


def checked(views, axes):
    check = AxesCheck()
    for view in views:
        check.add(with_axes(view.normals, axes))
    return check


def test_components_are_taken_in_order_and_with_signs():
    assert with_axes(np.array([[1.0, 2.0, 3.0]]), "x -y -z").tolist() == [[1, -2, -3]]
    assert with_axes(np.array([[1.0, 2.0, 3.0]]), "-z x y").tolist() == [[-3, 1, 2]]


def test_the_axes_of_rendered_rooms_are_right(views):
    checked(views, "x y z").require_identity("normals.mat", "x y z")


@pytest.mark.parametrize("wrong", [axes for axes in ALL if axes != "x y z"])
def test_other_axes_are_refused_and_the_setting_that_rights_them_is_named(views, wrong):
    """The remedy, applied to the file's normals, gives the true ones."""
    with pytest.raises(UserError, match=r"normals\.mat: with normals\.axes 'x y z' .* set normals\.axes to ") as error:
        checked(views, wrong).require_identity("normals.mat", "x y z")
    remedy = str(error.value).split("'")[-2]
    assert np.allclose(with_axes(with_axes(views[0].normals, wrong), remedy), views[0].normals)


def test_the_remedy_counts_the_axes_that_the_file_was_read_with(views):
    """A file with y down and z into the room, read as if x and y were exchanged."""
    stored = [with_axes(view.normals, "x -y -z") for view in views]
    check = AxesCheck()
    for normals in stored:
        check.add(with_axes(normals, "y x z"))
    with pytest.raises(UserError, match=r"set normals\.axes to 'x -y -z'"):
        check.require_identity("normals.mat", "y x z")


@pytest.mark.parametrize("axes", ["x x z", "x y", "x,y,z", "+x y z", "xyz"])
def test_a_setting_that_names_no_axes_is_refused(axes):
    with pytest.raises(UserError, match=r"normals\.axes is "):
        Normals.read({"axes": axes})
