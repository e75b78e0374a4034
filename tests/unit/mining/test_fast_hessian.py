import cv2
import numpy as np
import pytest
from reference.mining import hessian_determinant

from tracklearn.mining.fast_hessian import _interleaved, _offset, determinants, fast_hessian, maxima


@pytest.fixture
def texture():
    noise = np.random.default_rng(0).integers(0, 256, (150, 190), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


@pytest.mark.parametrize("step", [1, 2])
def test_determinants_equal_loops_over_the_boxes(texture, step):
    lobes = 2 * step * np.arange(1, 4) + 1
    out = np.zeros((3, (150 - 1) // step + 1, (190 - 1) // step + 1), np.float32)
    determinants(_interleaved(cv2.integral(texture), step), texture.shape, step, lobes, out)
    reach = 3 * lobes[-1] // 2
    scales, rows, columns = np.nonzero(out)
    assert rows.min() * step >= reach and columns.max() * step <= 189 - reach
    for place in range(0, len(scales), 397):
        s, y, x = scales[place], rows[place] * step, columns[place] * step
        expected = hessian_determinant(texture, x, y, int(lobes[s]))
        assert out[s, rows[place], columns[place]] == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_the_filter_fits_up_to_the_border():
    lobes = np.array([3, 5])
    image = np.random.default_rng(1).integers(0, 256, (15, 15), np.uint8)  # as large as the larger filter
    out = np.zeros((2, 15, 15), np.float32)
    determinants(_interleaved(cv2.integral(image), 1), image.shape, 1, lobes, out)
    assert np.argwhere(out[1]).tolist() == [[7, 7]]
    assert out[1, 7, 7] == pytest.approx(hessian_determinant(image, 7, 7, 5), rel=1e-4)


def test_maxima_are_those_of_all_26_neighbours():
    response = np.random.default_rng(2).random((5, 30, 40), dtype=np.float32)
    response = np.stack([cv2.GaussianBlur(layer, (0, 0), 1.5) for layer in response])
    expected = set()
    for s in range(1, 4):
        for y in range(1, 29):
            for x in range(1, 39):
                near = response[s - 1 : s + 2, y - 1 : y + 2, x - 1 : x + 2]
                if response[s, y, x] == near.max() > 0.5 and max(map(abs, _offset(response, s, y, x))) <= 1:
                    expected.add(response[s, y, x])
    assert len(expected) > 5
    assert {np.float32(value) for value in maxima(response, 0.5)[:, 3]} == expected


def test_the_quadric_s_maximum_is_found_between_the_places():
    peak = np.array([2.3, 5.6, 7.8])  # scale, row, column
    s, y, x = np.meshgrid(np.arange(5), np.arange(12), np.arange(15), indexing="ij")
    ds, dy, dx = s - peak[0], y - peak[1], x - peak[2]
    response = (10 - ds**2 - 2 * dy**2 - 1.5 * dx**2 - 0.3 * dx * dy + 0.2 * ds * dx).astype(np.float32)
    ((column, row, scale, value),) = maxima(response, 1.0)
    assert (scale, row, column) == pytest.approx(tuple(peak), abs=1e-4)
    assert value == response[2, 6, 8]


@pytest.mark.parametrize("sigma", [2.5, 4, 7])
def test_a_blob_is_found_at_its_place_and_scale(sigma):
    y, x = np.mgrid[:160, :200]
    blob = 30 + 200 * np.exp(-((x - 90.4) ** 2 + (y - 75.7) ** 2) / (2 * sigma**2))
    px, py, scale, _ = fast_hessian(blob.astype(np.uint8), threshold=10, max_points=1)[0]
    assert (px, py) == pytest.approx((90.4, 75.7), abs=0.6)
    assert scale == pytest.approx(sigma, rel=0.35)


def test_it_finds_what_mahotas_finds(real_frames):
    from mahotas.features import surf  # noqa: PLC0415

    shares = []
    for frame in real_frames:
        theirs = surf.interest_points(frame, 4, 6, 1, threshold=5.0, max_points=2048).reshape(-1, 5)[:, 1::-1]
        ours = fast_hessian(frame, threshold=5.0, max_points=2048)[:, :2]
        distances = np.linalg.norm(theirs[:, None] - ours[None], axis=2)  # (theirs, ours)
        shares.append((distances.min(axis=1) <= 2).mean())
    assert np.mean(shares) >= 0.9


def test_small_and_flat_images_have_no_points():
    assert fast_hessian(np.zeros((20, 30), np.uint8), threshold=5, max_points=9).shape == (0, 4)
    assert fast_hessian(np.full((120, 130), 9, np.uint8), threshold=5, max_points=9).shape == (0, 4)
