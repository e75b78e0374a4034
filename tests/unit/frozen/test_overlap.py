import numpy as np
import pytest

from tracklearn.frozen.overlap import boundary, boundary_f, region_j

NOTHING = np.zeros((8, 8), bool)


def square(left, top=2, side=3, size=8):
    """A square in an image whose diagonal allows a boundary to be 1 pixel off."""
    mask = np.zeros((size, size), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_the_boundary_lies_half_a_pixel_towards_the_first_pixel():
    ring = square(1, top=1, side=4)
    ring[2:4, 2:4] = False
    np.testing.assert_array_equal(boundary(square(2)), ring)


def test_the_edge_of_the_image_is_no_boundary():
    half = np.zeros((4, 6), bool)
    half[:, :3] = True
    np.testing.assert_array_equal(boundary(half), np.arange(6) == np.full((4, 1), 2))
    assert not boundary(~NOTHING).any()


@pytest.mark.parametrize(
    ("shift", "j", "f"),
    [
        (0, 1, 1),
        (1, 6 / 12, 1),  # every pixel of the two rings of 12 pixels has one of the other beside it
        (2, 3 / 15, 8 / 12),  # of each ring, the 4 pixels of the far column have none: P = R = 8 / 12
    ],
)
def test_a_square_that_is_some_pixels_off(shift, j, f):
    assert region_j(square(2 + shift), square(2)) == pytest.approx(j)
    assert boundary_f(square(2 + shift), square(2)) == pytest.approx(f)


def test_precision_and_recall_of_masks_of_different_size():
    whole, part = square(1, top=1, side=6, size=10), square(1, top=1, side=2, size=10)
    # The rings have 24 and 8 pixels. Of the small one, the pixels beside the large one's: its upper and left sides, 5,
    # and 2 at the sides' other ends. Of the large one: those on the small one, 5, and 2 at the ends.
    precision, recall = 7 / 8, 7 / 24
    assert boundary_f(part, whole) == pytest.approx(2 * precision * recall / (precision + recall))
    assert boundary_f(whole, part) == boundary_f(part, whole)
    assert region_j(part, whole) == pytest.approx(4 / 36)


def test_empty_masks_match_each_other_and_nothing_else():
    assert (region_j(NOTHING, NOTHING), boundary_f(NOTHING, NOTHING)) == (1, 1)
    assert (region_j(NOTHING, square(2)), boundary_f(NOTHING, square(2))) == (0, 0)
    assert (region_j(square(2), NOTHING), boundary_f(square(2), NOTHING)) == (0, 0)


def test_the_distance_grows_with_the_diagonal():
    far, near = square(46, top=40, side=20, size=160), square(43, top=40, side=20, size=160)
    # The diagonal of 226 pixels allows 2 pixels: 1.81 rounded up. The squares are 3 apart.
    assert boundary_f(far, near) < 1
    assert boundary_f(far, near, tolerance=3 / 226) == 1
    assert boundary_f(square(42, top=40, side=20, size=160), square(40, top=40, side=20, size=160)) == 1
