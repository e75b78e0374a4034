"""How many photos a second and core does GIST describe? The goal is 20, at 128 x 128 pixels and 960 values."""

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.features import some_photos
from tracklearn.scenes.gist import gist_features

PHOTOS, ROUNDS = 40, 5


def main() -> None:
    """Print photos a second of one thread: of the processor's time, and of the clock."""
    with tempfile.TemporaryDirectory(prefix="tracklearn-scenes-") as folder:
        photos, ids, source = some_photos(Path(folder))
        files = [photos.photo_path(ids[index % len(ids)]) for index in range(PHOTOS)]
        gist_features(files[:2], threads=1)
        busy, clock = [], []
        for _ in range(ROUNDS):
            began = time.process_time(), time.perf_counter()
            gist_features(files, threads=1)
            busy.append(time.process_time() - began[0])
            clock.append(time.perf_counter() - began[1])
    print(
        f"GIST of {PHOTOS} photos {source}, median of {ROUNDS} rounds: {PHOTOS / statistics.median(busy):.0f} photos a "
        f"second of processor time, {PHOTOS / statistics.median(clock):.0f} a second on one thread. Goal: 20."
    )


if __name__ == "__main__":
    main()
