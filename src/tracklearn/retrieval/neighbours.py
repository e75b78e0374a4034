"""The nearest windows of many queries, while the database streams past: on a GPU if there is one."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from tracklearn.machine.devices import own_device
from tracklearn.report import Report, silent
from tracklearn.training.gpu import set_precision

# Windows and queries that are compared at once: their pool5 takes 75 MB each in single precision. This is not only a
# limit of memory. A matrix product with few rows rounds differently, so another value can change the last digit of a
# cosine.
AT_ONCE = 2048
NOBODY = -1  # index of a window in the places that are left


class Nearest:
    """The `k` windows of the highest scores that each query has met so far.

    Args:
        queries: number of queries Q.
        device: where scores are compared.
    """

    def __init__(self, queries: int, k: int, device: torch.device) -> None:
        self.k = k
        self._scores = torch.full((queries, k), -torch.inf, device=device)
        self._windows = torch.full((queries, k), NOBODY, device=device)

    def meet(self, rows: slice | Tensor, scores: Tensor, first: int) -> None:
        """Let some queries meet the windows `first`, `first + 1`, ..., whose scores are (q, n)."""
        best, places = scores.topk(min(self.k, scores.shape[1]), dim=1)
        candidates = torch.cat([self._scores[rows], best], dim=1)
        windows = torch.cat([self._windows[rows], places + first], dim=1)
        self._scores[rows], kept = candidates.topk(self.k, dim=1)
        self._windows[rows] = windows.gather(1, kept)

    def ranked(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices (Q, k) int64 of windows, the best first, `NOBODY` in places that are left; scores (Q, k) float32."""
        scores, windows = self._scores.cpu().numpy(), self._windows.cpu().numpy()
        order = np.lexsort((windows, -scores), axis=1)
        return np.take_along_axis(windows, order, axis=1), np.take_along_axis(scores, order, axis=1)


def nearest_by_cosine(
    queries: np.ndarray, blocks: Iterable[np.ndarray], *, k: int, report: Report = silent
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` windows nearest to each query, and their cosines; a query of zeros has no neighbours.

    Args:
        queries: (Q, D) float32 of length 1 or 0.
        blocks: features (n, D) of length 1 or 0 of the database's windows, block by block.

    Returns:
        Indices of windows and cosines (Q, k) as `Nearest.ranked` gives them; the indices count through the blocks.
    """
    device = own_device()
    asking = torch.from_numpy(queries).to(device)
    nearest = Nearest(len(queries), k, device)
    compared = 0
    for block in blocks:
        features = torch.from_numpy(block).to(device)
        # A generator of features may have left the GPU at TF32, whose cosines are right to three digits only.
        with set_precision(device, "fp32"):
            for start in range(0, len(asking), AT_ONCE):
                some = slice(start, start + AT_ONCE)
                nearest.meet(some, asking[some] @ features.T, compared)
        compared += len(block)
        report(compared, {"windows_compared": float(compared)})
    neighbours, cosines = nearest.ranked()
    neighbours[~queries.any(axis=1)] = NOBODY
    return neighbours, cosines


def to_unit_length(features: np.ndarray) -> np.ndarray:
    """Scale features (n, D) to length 1 in place; features that are all 0 stay 0."""
    lengths = np.sqrt(np.einsum("nd,nd->n", features, features))[:, None]
    features /= np.where(lengths > 0, lengths, 1)
    return features
