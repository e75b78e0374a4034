import numpy as np
import pytest

from tracklearn.normals.cells import at_pixels, cell_normals, mirrored_normals, unit

X, Y, Z = np.eye(3)


def test_a_cell_has_the_mean_of_its_normals_and_pixels_without_one_do_not_count():
    normals = np.zeros((4, 6, 3))
    normals[0, :2] = X, Z
    normals[:2, 3:] = Y
    found = cell_normals(normals, 2)
    assert found[0, 0] == pytest.approx((X + Z) / np.sqrt(2))
    assert found[0, 1] == pytest.approx(Y)
    assert not found[1].any()


@pytest.mark.parametrize("size", [(60, 80), (61, 83), (20, 20)])
def test_every_pixel_is_in_one_cell(size):
    rng = np.random.default_rng(0)
    for _ in range(20):
        normals = np.zeros((*size, 3))
        normals[rng.integers(size[0]), rng.integers(size[1])] = Z
        assert cell_normals(normals, 20).sum() == 1


def test_between_the_centres_of_cells_normals_are_interpolated():
    found = at_pixels(np.array([[X, Z]]), (1, 8))
    assert found[0, :2] == pytest.approx(np.array([X, X]))
    assert found[0, 3] == pytest.approx(unit(0.625 * X + 0.375 * Z))
    assert np.linalg.norm(found, axis=-1) == pytest.approx(1)


def test_what_is_equal_in_all_cells_is_equal_in_all_pixels():
    assert np.allclose(at_pixels(np.broadcast_to(unit(X + Z), (20, 20, 3)), (48, 64)), unit(X + Z))


def test_a_mirror_exchanges_left_and_right_and_turns_x():
    normals = np.array([[X, Y, Z]])
    assert mirrored_normals(normals).tolist() == [[Z.tolist(), Y.tolist(), (-X).tolist()]]
    assert np.array_equal(mirrored_normals(mirrored_normals(normals)), normals)
    wide = np.random.default_rng(0).standard_normal((4, 6, 3))
    assert np.allclose(cell_normals(mirrored_normals(wide), 2), mirrored_normals(cell_normals(wide, 2)))
