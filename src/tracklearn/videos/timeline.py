"""The frames of a video at a chosen frame rate."""

from pathlib import Path

import numpy as np

from tracklearn.videos.frames import probe
from tracklearn.videos.packets import packet_table


def timeline(path: str | Path, resample_fps: float | None) -> list[int]:
    """Ascending indices of the frames of a video file that are nearest in time to `resample_fps` frames per second.

    With None these are all frames of the file. A container without times is taken to have a constant rate. No frame is
    taken twice, because nothing would move between its copies: a video with a lower rate keeps its frames.

    Raises:
        UserError: as `probe`.
    """
    found = probe(path)
    if resample_fps is None:
        return list(range(found.frames))
    times = packet_table(path).times
    return sampled(times if len(times) else np.arange(found.frames), found.fps / resample_fps)


def sampled(times: np.ndarray, step: float) -> list[int]:
    """Indices of the frames nearest to the times 0, `step`, 2 `step` and so on, each index once.

    Of two frames that are equally near the later one is taken.

    Args:
        times: int64 (N,), ascending times of the frames in any unit.
        step: time between two samples, in mean distances of two frames.
    """
    elapsed, last = times - times[0], len(times) - 1
    # In mean distances. This order of operations gives exactly 0, 1, 2, ... for a constant rate.
    places = elapsed * float(last) / max(elapsed[-1], 1)
    # Frame n is the nearest one from bounds[n] to bounds[n + 1]; the last frame until half a distance after it.
    bounds = np.concatenate([[0], (places[:-1] + places[1:]) / 2, [last + 0.5]])
    return np.flatnonzero(np.diff(np.ceil(bounds / step))).tolist()
