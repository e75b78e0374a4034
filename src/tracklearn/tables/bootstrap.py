"""The bootstrap over evaluation images, which gives every figure of a table its interval."""

import numpy as np


def image_draws(images: int, draws: int, *, seed: int = 0) -> np.ndarray:
    """Bootstrap samples of the images: how often each draw holds each image, (draws, images) int32.

    The draws depend on the arguments alone, so the figures of two rows over the same images are paired.
    """
    rng = np.random.default_rng([seed, images])
    return rng.multinomial(images, np.full(images, 1 / images), size=draws).astype(np.int32)


def mean_over_classes(replicates: np.ndarray) -> np.ndarray:
    """Mean of (B, C) over the classes that have a finite figure in the draw: (B,), NaN where no class has one."""
    known = np.isfinite(replicates)
    with np.errstate(invalid="ignore"):
        return np.where(known, replicates, 0).sum(axis=1) / known.sum(axis=1)


def interval(replicates: np.ndarray) -> list[float] | None:
    """Bounds of the central 95% of the finite replicates; None where there are none."""
    finite = replicates[np.isfinite(replicates)]
    return np.percentile(finite, [2.5, 97.5]).tolist() if len(finite) else None
