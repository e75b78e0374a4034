"""The bootstrap over evaluation images, which gives every figure of a table its interval."""

import numpy as np
from scipy import special


def image_draws(images: int, draws: int, *, seed: int = 0) -> np.ndarray:
    """Bootstrap samples of the images: how often each draw holds each image, (draws, images) int32.

    The draws depend on the arguments alone, so the figures of two rows over the same images are paired.
    """
    rng = np.random.default_rng([seed, images])
    return rng.multinomial(images, np.full(images, 1 / images), size=draws).astype(np.int32)


def finite_mean(replicates: np.ndarray) -> np.ndarray:
    """Mean of each row of (B, C) over its finite figures: (B,), NaN where there are none.

    A class without a tested object in a draw has no finite figure in it.
    """
    known = np.isfinite(replicates)
    with np.errstate(invalid="ignore"):
        return np.where(known, replicates, 0).sum(axis=1) / known.sum(axis=1)


def widened(replicates: np.ndarray, units: int) -> np.ndarray:
    """Replicates (B,) of a figure over few clips or sequences, spread as far as the figure of so few varies.

    Draws of n units with replacement vary sqrt(n / (n - 1)) times too little, and their central 95% reach as far as
    normal quantiles where those of Student's t are due. Differences of widened replicates are widened differences.

    Source: Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 69(4), 2015.

    Args:
        units: number of units that are drawn; one unit says nothing about its spread, and its draws stay.
    """
    if units < 2:
        return replicates
    # Quantiles of Student's t and of the normal distribution; scipy.stats, which has them too, is slow to import.
    factor = np.sqrt(units / (units - 1)) * special.stdtrit(units - 1, 0.975) / special.ndtri(0.975)
    centre = replicates.mean()
    spread: np.ndarray = centre + factor * (replicates - centre)
    return spread


def interval(replicates: np.ndarray) -> list[float] | None:
    """Bounds of the central 95% of the finite replicates; None where there are none."""
    finite = replicates[np.isfinite(replicates)]
    return np.percentile(finite, [2.5, 97.5]).tolist() if len(finite) else None
