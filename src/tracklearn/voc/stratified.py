"""Dividing photos between two sides so that each class is on both."""

from collections.abc import Collection, Sequence

import numpy as np


def divide(classes: Sequence[Collection[str]], share: float, *, seed: int) -> np.ndarray:
    """Divide photos at random, with each class's photos at about the same share.

    Photos of the rarest class are divided first (Sechidis et al., On the Stratification of Multi-Label Data, 2011).
    Afterwards photos change sides as long as each change puts one more class on both sides.

    Args:
        classes: classes of the objects of each of N photos.
        share: part of the photos that goes to the first side.
        seed: seed of the order of the photos.

    Returns:
        Whether each photo is on the first side, (N,) bool; of two photos or more, at least one is on either side.
    """
    names = sorted({name for of_photo in classes for name in of_photo})
    # The last column counts the photos of any class or none, so that no side is left empty.
    rows = [[*(name in of_photo for name in names), True] for of_photo in classes]
    member = np.array(rows, int).reshape(len(classes), len(names) + 1)
    wanted = np.outer((share, 1 - share), member.sum(axis=0))
    side = np.full(len(member), -1)
    order = np.random.default_rng(seed).permutation(len(member))
    while (left := side < 0).any():
        counts = member[left].sum(axis=0)
        rarest = np.argmin(np.where(counts > 0, counts, len(member) + 1))
        for photo in order:
            if side[photo] < 0 and member[photo, rarest]:
                needs = [(of_side[rarest], of_side @ member[photo]) for of_side in wanted]
                side[photo] = needs[1] > needs[0]
                wanted[side[photo]] -= member[photo]
    while True:
        counts = np.stack([member[side == 0].sum(axis=0), member[side == 1].sum(axis=0)])
        gains = (member * ((counts[1 - side] == 0).astype(int) - (counts[side] == 1))).sum(axis=1)
        if gains.max(initial=0) <= 0:
            return side == 0
        side[gains.argmax()] ^= 1
