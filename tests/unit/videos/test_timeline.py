import numpy as np
import pytest
from worlds.films import film
from worlds.rough_films import encode, joined

from tracklearn.videos.packets import packet_table
from tracklearn.videos.timeline import sampled, timeline


@pytest.mark.parametrize(
    ("fps", "resample_fps", "expected"),
    [
        (30.0, 30, list(range(12))),
        (60.0, 30, [0, 2, 4, 6, 8, 10]),
        (50.0, 20, [0, 3, 5, 8, 10]),  # 0, 2.5, 5, 7.5, 10: halves are rounded up
        (25.0, 30, list(range(12))),  # no frame is repeated
        (29.97, 15, [0, 2, 4, 6, 8, 10]),
    ],
)
@pytest.mark.parametrize("times", [np.arange(12), 1001 * np.arange(12) - 7])
def test_samples_of_a_constant_rate(times, fps, resample_fps, expected):
    assert sampled(times, fps / resample_fps) == expected


def test_one_frame():
    assert sampled(np.array([90]), 0.1) == sampled(np.array([90]), 10.0) == [0]


def test_uneven_frames_by_hand():
    """The mean distance of the frames is 110 ms; nearest to 110 ms is 40, nearest to 220, 330 and 440 is 300."""
    assert sampled(np.array([0, 10, 20, 40, 300, 550]), 1.0) == [0, 3, 4, 5]


@pytest.mark.parametrize("seed", range(6))
def test_samples_are_those_of_the_loop(seed):
    """The times are drawn so that no two frames are equally near to a sample."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(1, 1000, rng.integers(2, 40)))
    mean = (times[-1] - times[0]) / (len(times) - 1)
    step = float(rng.uniform(0.2, 4))
    samples = np.arange(0, len(times) - 0.5, step) * mean
    nearest = [int(np.argmin(np.abs(times - times[0] - sample))) for sample in samples]
    assert sampled(times, step) == list(dict.fromkeys(nearest))


def test_a_film_of_variable_rate_is_sampled_evenly_in_time(tmp_path):
    """20 frames at 50 a second, then 20 at 10: at 10 a second every fifth of the first and all of the others."""
    times = [*range(0, 400, 20), *range(400, 2400, 100)]
    path = encode(tmp_path / "variable.mkv", film(40), times=times)
    assert timeline(path, 10) == [*range(0, 20, 5), *range(20, 40)]
    assert timeline(path, 5) == [0, 10, *range(20, 40, 2)]
    assert timeline(path, None) == list(range(40))


def test_a_film_without_usable_times_is_sampled_by_its_mean_rate(tmp_path):
    """In two joined broadcasts the times start anew; together they have 24 frames at 25 a second."""
    broadcast = encode(tmp_path / "one.ts", film(12), rate=25)
    path = joined(broadcast, broadcast, tmp_path / "two.ts")
    assert len(packet_table(path).times) == 0
    assert timeline(path, 12.5) == list(range(0, 24, 2))
