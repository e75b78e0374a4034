import numpy as np
import pytest
from reference.normals import loops_errors

from tracklearn.errors import UserError
from tracklearn.normals.angular_errors import AT_ONCE, ErrorSums, angles, evaluate
from tracklearn.normals.cells import unit
from tracklearn.tables.bootstrap import image_draws


def tilted(degrees):
    """Normals at these angles from the camera's axis, (n, 3)."""
    radians = np.radians(degrees)
    return np.stack([np.sin(radians), np.zeros_like(radians), np.cos(radians)], axis=-1)


AXIS = np.array([0.0, 0.0, 1.0])


def random_maps(count, seed=0, size=(6, 8)):
    rng = np.random.default_rng(seed)
    predicted = [rng.standard_normal((*size, 3)) for _ in range(count)]
    truth = [unit(p + rng.uniform(0.1, 2) * rng.standard_normal(p.shape)) for p in predicted]
    for index, true in enumerate(truth):
        true[: index % 4] = 0
    return predicted, truth


def summed(predicted, truth):
    sums = ErrorSums()
    for mine, true in zip(predicted, truth, strict=True):
        sums.add(angles(mine, true))
    return sums


def test_angles_of_hand_made_maps():
    wanted = np.array([0, 1e-5, 11.25, 45, 90, 135, 180])
    assert angles(3 * tilted(wanted), np.tile(AXIS, (7, 1))) == pytest.approx(wanted, abs=2e-6)
    assert angles(tilted(wanted), np.tile(AXIS, (7, 1))).dtype == np.float64


def test_pixels_without_truth_do_not_count():
    truth = np.array([AXIS, 0 * AXIS, AXIS])
    assert angles(tilted(np.array([10, 20, 30])), truth) == pytest.approx([10, 30])


def test_figures_of_a_hand_made_row():
    sums = ErrorSums()
    sums.add(np.array([1.0, 11.25, 20.0, 40.0]))
    sums.add(np.array([22.5, 30.0]))
    values = sums.values()
    assert values["mean"] == pytest.approx(124.75 / 6)
    assert values["median"] == pytest.approx(20, abs=0.011)  # the lower of the two in the middle; see the next test
    assert values["within_11.25"] == pytest.approx(100 / 6)  # 11.25 itself is not within
    assert values["within_22.5"] == pytest.approx(300 / 6)
    assert values["within_30"] == pytest.approx(400 / 6)
    assert values["image_mean"] == pytest.approx((72.25 / 4 + 26.25) / 2)
    assert values["image_median"] == pytest.approx((15.625 + 26.25) / 2)
    assert values["image_within_11.25"] == pytest.approx((25 + 0) / 2)


def test_all_figures_are_those_of_loops():
    """With this many pixels the two in the middle lie within a bin or two of each other."""
    predicted, truth = random_maps(9, size=(30, 40))
    pooled, by_image = loops_errors(predicted, truth)
    values = summed(predicted, truth).values()
    assert [values[name] for name in ("mean", "within_11.25", "within_22.5", "within_30")] == pytest.approx(
        [pooled[0], *pooled[2:]]
    )
    assert values["median"] == pytest.approx(pooled[1], abs=0.03)
    images = [values[f"image_{name}"] for name in ("mean", "median", "within_11.25", "within_22.5", "within_30")]
    assert images == pytest.approx(by_image)


def test_errors_of_0_and_of_180_degrees_are_counted():
    sums = ErrorSums()
    sums.add(np.array([0.0, 0.0, 180.0]))
    assert sums.values()["mean"] == 60
    assert sums.values()["median"] == pytest.approx(0, abs=0.011)
    sums.add(np.array([180.0] * 5))
    assert sums.values()["median"] == pytest.approx(180, abs=0.011)


def test_replicates_are_figures_of_the_images_that_were_drawn():
    predicted, truth = random_maps(5, size=(30, 40))
    draws = image_draws(5, AT_ONCE + 20)
    replicates = summed(predicted, truth).replicates(draws)
    for index in (0, AT_ONCE, AT_ONCE + 19):
        images = np.repeat(np.arange(5), draws[index])
        drawn = summed([predicted[i] for i in images], [truth[i] for i in images]).values()
        for name, value in drawn.items():
            assert replicates[name][index] == pytest.approx(value)


def test_a_rotation_of_all_normals_changes_nothing():
    predicted, truth = random_maps(3)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    there = summed(predicted, truth).values()
    assert summed([p @ turn for p in predicted], [t @ turn for t in truth]).values() == pytest.approx(there, abs=0.02)


class Maps(list):
    """Stands for a Truth."""

    size = (6, 8)


def test_cells_are_compared_with_pixels_after_interpolation():
    truth = Maps([np.broadcast_to(AXIS, (6, 8, 3))] * 3)
    assert evaluate(lambda image: tilted(np.full((2, 2), 10.0 * image)), truth, [1, 2]).values()[
        "mean"
    ] == pytest.approx(15, abs=1e-4)
    assert evaluate(lambda image: tilted(np.full((6, 8), 10.0)), truth, [1]).values()["mean"] == pytest.approx(10)


def test_progress_is_reported_every_50_images():
    truth, reported = Maps([np.broadcast_to(AXIS, (6, 8, 3))] * 101), []
    evaluate(lambda image: truth[image], truth, range(101), report=lambda *point: reported.append(point))
    assert reported == [(50, {"images": 50}), (100, {"images": 100})]


def test_an_image_without_truth_is_named():
    with pytest.raises(UserError, match="image 2 of NYUv2 has no pixel with a true normal"):
        evaluate(lambda image: tilted(np.zeros((6, 8))), Maps([np.ones((6, 8, 3)), np.zeros((6, 8, 3))]), [0, 1])
