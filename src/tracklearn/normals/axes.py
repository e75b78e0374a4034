"""Do the axes of given normals point right, up and towards the camera?

Photos of rooms show the floor below, the ceiling above, walls that face right at the left and walls that face left at
the right, and every visible surface faces the camera. So the mean over many pixels of (-column) nx, of row ny and of nz
is positive, where columns run from -1 to 1 to the right and rows from -1 to 1 downwards.
"""

from itertools import permutations, product

import numpy as np

from tracklearn.errors import UserError

NAMES = "xyz"
IDENTITY = "x y z"


class AxesCheck:
    """Collects normals of rooms and tells which signed order of their axes suits a room best."""

    def __init__(self) -> None:
        self._agreement = np.zeros((3, 3))  # of right, up, towards the camera with the components x, y, z

    def add(self, normals: np.ndarray) -> None:
        """Add an image's normals (H, W, 3)."""
        height, width = normals.shape[:2]
        across, down = (2 * np.arange(width) + 1) / width - 1, (2 * np.arange(height) + 1) / height - 1
        self._agreement += np.stack(
            [
                np.einsum("w,hwc->c", -across, normals, dtype=np.float64),
                np.einsum("h,hwc->c", down, normals, dtype=np.float64),
                normals.sum(axis=(0, 1), dtype=np.float64),
            ]
        )

    def best(self) -> str:
        """The order and signs of the components under which the normals suit a room best, such as "x -y -z"."""
        candidates = [
            [(axis, sign) for axis, sign in zip(order, signs, strict=True)]
            for order in permutations(range(3))
            for signs in product((1, -1), repeat=3)
        ]
        agreement = [sum(sign * self._agreement[to, axis] for to, (axis, sign) in enumerate(c)) for c in candidates]
        return " ".join("-" * (sign < 0) + NAMES[axis] for axis, sign in candidates[int(np.argmax(agreement))])

    def require_identity(self, source: str, axes: str) -> None:
        """Check that the axes need no change.

        Args:
            source: file of the normals.
            axes: setting `normals.axes`, with which they were read.

        Raises:
            UserError: another order or other signs of the axes suit a room better; says which setting does.
        """
        if (best := self.best()) == IDENTITY:
            return
        read = axes.split()
        remedy = [_negated(read[NAMES.index(part[-1])], part.startswith("-")) for part in best.split()]
        raise UserError(
            f"{source}: with normals.axes {axes!r} the normals of floors, walls and ceilings do not point up, into the "
            f"room and down; expected x right, y up, z towards the camera: set normals.axes to {' '.join(remedy)!r}"
        )


def _negated(part: str, negate: bool) -> str:
    negative = part.startswith("-") != negate
    return "-" * negative + part[-1]


def with_axes(normals: np.ndarray, axes: str) -> np.ndarray:
    """Normals (..., 3) whose components are taken in the order and with the signs of `axes`, such as "x -y -z"."""
    parts = axes.split()
    order = [NAMES.index(part[-1]) for part in parts]
    return normals[..., order] * np.array([-1 if part.startswith("-") else 1 for part in parts], normals.dtype)
