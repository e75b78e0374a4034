"""Real clips of the web that settings of mining are chosen on, and clips that no setting was chosen on."""

import hashlib
import os
from pathlib import Path

import numpy as np

WEB_CLIPS = Path(os.environ.get("DATA", "../shared/data")) / "web_clips"
HELD_OUT = 20


def web_clips(folder: Path = WEB_CLIPS) -> tuple[list[Path], list[Path]]:
    """The clips of a folder in two parts: clips to choose settings on, and held-out clips to measure on.

    The held-out clips are the 20 clips whose file names have the smallest SHA-256. The rule was written down before
    anything was tried on these clips.
    """
    ranked = sorted(folder.glob("*.mp4"), key=lambda path: hashlib.sha256(path.name.encode()).digest())
    return sorted(ranked[HELD_OUT:]), sorted(ranked[:HELD_OUT])


def bootstrap(parts: np.ndarray, wholes: np.ndarray) -> tuple[float, float, float]:
    """Sum of `parts` over sum of `wholes`, both (clips,), and its interval of 95% by a bootstrap over the clips.

    Clips are drawn and not frames, because the frames of a clip resemble each other.
    """
    drawn = np.random.default_rng(0).integers(len(parts), size=(10_000, len(parts)))
    low, high = np.percentile(parts[drawn].sum(axis=1) / wholes[drawn].sum(axis=1), [2.5, 97.5])
    return float(parts.sum() / wholes.sum()), float(low), float(high)
