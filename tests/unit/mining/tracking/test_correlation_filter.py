import cv2
import numpy as np
import pytest
from reference.mining import loops_filter
from scipy.fft import rfft2
from worlds.films import HEIGHT, WIDTH, texture

from tracklearn.mining.tracking.correlation_filter import (
    RIDGE,
    CorrelationFilter,
    peak,
    response,
    target,
    train,
    window_cells,
)

KCF = {"least_peak": 0.3, "padding": 1.5, "rate": 0.02}


def shifted(x, y):
    """Luma of a texture that is shifted to the right and down by (x, y) pixels."""
    grey = cv2.cvtColor(texture(HEIGHT, WIDTH, 4), cv2.COLOR_RGB2GRAY)
    return cv2.warpAffine(grey, np.float32([[1, 0, x], [0, 1, y]]), (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)


def test_training_and_detection_are_the_loops():
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=(2, 31, 4, 4)).astype(np.float32)
    wanted = target(4, 0.8)
    model = rfft2(x)
    found = response(train(model, rfft2(wanted)), model, rfft2(z))
    assert found == pytest.approx(loops_filter(x, wanted, z, RIDGE), abs=1e-4)


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (0.5, 0.25), (2.3, -1.7), (4, 4), (10.5, -7.25), (-16, 13)])
def test_a_shift_is_found_to_a_fraction_of_a_pixel(shift):
    """A cell has four pixels; a box of 56 pixels may move by three fifths of its side."""
    tracker = CorrelationFilter(shifted(0, 0), (150, 110), 56, **KCF)
    assert tracker.update(shifted(*shift))
    assert np.subtract(tracker.centre, (150, 110)) == pytest.approx(shift, abs=0.35)
    assert tracker.score > 0.75


def test_a_frame_that_was_learnt_scores_one():
    tracker = CorrelationFilter(shifted(0, 0), (150.25, 110.75), 56, **KCF)
    assert tracker.update(shifted(0, 0))
    assert tracker.score == pytest.approx(1, abs=0.03)  # a little less because of the ridge
    assert tracker.centre == pytest.approx((150.25, 110.75), abs=0.02)


def test_the_box_is_lost_in_another_image_which_is_not_learnt():
    tracker = CorrelationFilter(shifted(0, 0), (150, 110), 56, **KCF)
    assert tracker.update(shifted(1, 1))
    centre = tracker.centre
    assert not tracker.update(cv2.cvtColor(texture(HEIGHT, WIDTH, 9), cv2.COLOR_RGB2GRAY))
    assert tracker.centre == centre
    assert tracker.score < 0.3


def test_the_box_is_lost_where_the_peak_falls_at_once():
    tracker = CorrelationFilter(shifted(0, 0), (150, 110), 56, **KCF | {"least_peak": 0.0})
    assert not tracker.update(cv2.cvtColor(texture(HEIGHT, WIDTH, 9), cv2.COLOR_RGB2GRAY))


def test_the_box_is_lost_in_a_flat_frame():
    tracker = CorrelationFilter(shifted(0, 0), (150, 110), 56, **KCF)
    assert not tracker.update(np.zeros((HEIGHT, WIDTH), np.uint8))
    assert tracker.score == pytest.approx(0, abs=1e-3)


def test_the_peak_lies_between_cells_and_wraps():
    """By hand: a paraboloid with its vertex at x = 0.25, y = -1.4 from the origin."""
    offsets = (np.arange(12) + 6) % 12 - 6
    values = 1 - 0.01 * ((offsets - 0.25)[None] ** 2 + (offsets + 1.4)[:, None] ** 2)
    (x, y), height = peak(values.astype(np.float32))
    assert (x, y) == pytest.approx((0.25, -1.4), abs=1e-4)
    assert height == pytest.approx(1 - 0.01 * (0.25**2 + 0.4**2))


def test_the_target_is_highest_at_the_origin_and_wraps():
    found = target(8, 2.0)
    assert found[0, 0] == 1
    assert found[0, 7] == found[1, 0] == pytest.approx(np.exp(-1 / 8))


@pytest.mark.parametrize(("side", "cells"), [(56, 36), (16, 10), (227, 144), (24.7, 16)])
def test_windows_are_even_and_fast(side, cells):
    assert window_cells(side, 1.5) == cells
