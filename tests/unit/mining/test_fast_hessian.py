import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from reference.mining import hessian_determinant

from tracklearn.mining.fast_hessian import _interleaved, _shift, determinants, fast_hessian, maxima


@pytest.fixture
def texture():
    noise = np.random.default_rng(0).integers(0, 256, (150, 190), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


@pytest.mark.parametrize("step", [1, 2])
def test_determinants_equal_loops_over_the_boxes(texture, step):
    lobes = 2 * step * np.arange(1, 4) + 1
    out = np.zeros((3, 150 // step, 190 // step), np.float32)
    border = 12
    determinants(_interleaved(cv2.integral(texture), step), step, lobes, border, out)
    _, rows, columns = np.nonzero(out)
    assert rows.min() >= border and columns.max() < out.shape[2] - border
    for s, y, x in np.ndindex(3, *((side - 2 * border) // 5 for side in out.shape[1:])):
        row, column = border + 5 * y, border + 5 * x
        expected = max(0, hessian_determinant(texture, column * step, row * step, int(lobes[s])))
        assert out[s, row, column] == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_the_filter_fits_up_to_the_border():
    lobes = np.array([3, 5])
    image = np.full((15, 15), 20, np.uint8)  # the size of the larger filter
    image[6:9, 6:9] = 200
    out = np.zeros((2, 15, 15), np.float32)
    determinants(_interleaved(cv2.integral(image), 1), 1, lobes, 7, out)
    assert np.argwhere(out[1]).tolist() == [[7, 7]]
    assert out[1, 7, 7] == pytest.approx(hessian_determinant(image, 7, 7, 5), rel=1e-4)


def test_a_maximum_exceeds_its_26_neighbours_and_is_the_only_one_of_its_block():
    border, response = 2, np.random.default_rng(2).random((7, 32, 41), dtype=np.float32)
    response = np.stack([cv2.GaussianBlur(layer, (0, 0), 0.8) for layer in response])
    expected, blocks = set(), {}
    for s, y, x in np.ndindex(response.shape):
        if 1 <= s < 6 and border < y < 32 - border - 1 and border < x < 41 - border - 1:
            block = blocks.setdefault(((s - 1) // 3, (y - border - 1) // 3, (x - border - 1) // 3), [])
            block.append((response[s, y, x], s, y, x))
    for value, s, y, x in map(max, blocks.values()):
        near = response[s - 1 : s + 2, y - 1 : y + 2, x - 1 : x + 2]
        if value == near.max() > 0.5 and max(map(abs, _shift(response, s, y, x))) < 0.5:
            expected.add(value)
    assert len(expected) > 20
    assert {np.float32(value) for value in maxima(response, border, 0.5)[:, 3]} == expected


@pytest.mark.parametrize("sigma", [2.5, 4, 7])
def test_a_blob_is_found_at_its_position_and_scale(sigma):
    y, x = np.mgrid[:260, :300]
    blob = 30 + 200 * np.exp(-((x - 150.4) ** 2 + (y - 125.7) ** 2) / (2 * sigma**2))
    px, py, scale, _ = fast_hessian(blob.astype(np.uint8), threshold=10, max_points=1)[0]
    assert (px, py) == pytest.approx((150.4, 125.7), abs=1)
    assert scale == pytest.approx(sigma, rel=0.35)


def test_the_points_are_those_of_mahotas(real_frames):
    from mahotas.features import surf  # noqa: PLC0415

    number = lost = 0
    for frame in real_frames:
        theirs = surf.interest_points(frame, 4, 6, 1, threshold=5.0, max_points=2048).reshape(-1, 5)
        ours = fast_hessian(frame, threshold=5.0, max_points=2048)
        assert len(ours) == pytest.approx(len(theirs), abs=1)  # float32 may round a determinant of 5 to 4.999999
        distances = np.linalg.norm(theirs[:, None, 1::-1] - ours[None, :, :2], axis=2)  # (theirs, ours)
        number, lost = number + len(theirs), lost + (distances.min(axis=1, initial=9) > 0.01).sum()
        same = distances.argmin(axis=1)
        assert np.median(np.abs(ours[same, 2:] - theirs[:, 2:4])) < 1e-3  # scale and determinant
    assert number > 1000
    assert lost <= 0.002 * number


def test_small_and_flat_images_have_no_points():
    assert fast_hessian(np.zeros((20, 30), np.uint8), threshold=5, max_points=9).shape == (0, 4)
    assert fast_hessian(np.full((120, 130), 9, np.uint8), threshold=5, max_points=9).shape == (0, 4)


def test_the_process_that_compiles_finds_the_same_points(tmp_path):
    """The points agree to the last bit, since RANSAC may turn another last bit into another verdict."""
    code = (
        "import numpy as np; from tracklearn.mining.fast_hessian import fast_hessian;"
        "image = np.random.default_rng(0).integers(0, 256, (224, 300), np.uint8);"
        "print(fast_hessian(image, threshold=1.0, max_points=1024).tobytes().hex())"
    )
    found = [
        subprocess.check_output([sys.executable, "-c", code], env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)})
        for _ in range(2)
    ]
    assert len(found[0]) > 1000
    assert found[0] == found[1]
