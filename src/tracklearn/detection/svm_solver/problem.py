"""The optimisation problem of one linear SVM with the L1 hinge."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

BLOCK = 1024  # rows that are multiplied at once


@dataclass
class Problem:
    """Examples as signed rows z_i: (x_i, bias_feature) for a positive x_i and -(x_i, bias_feature) for a negative one.

    The unknown is u = (w, b / bias_feature), (D + 1,). The problem and its dual are
        min  |u|^2 / 2 + sum_i C_i max(0, 1 - u z_i),
        max  sum_i alpha_i - |sum_i alpha_i z_i|^2 / 2  with 0 <= alpha_i <= C_i.
    The matrix Z of the rows is not stored: products run over blocks of the features, each cast to `precision`.
    """

    positives: np.ndarray  # (P, D), the first rows of Z
    negatives: np.ndarray  # (N, D)
    cost_pair: tuple[float, float]  # C_i of a positive and of a negative
    bias_feature: float  # value of the constant feature
    precision: DTypeLike  # of products with the features

    def __post_init__(self) -> None:
        counts = [len(self.positives), len(self.negatives)]
        self.costs = np.repeat(np.asarray(self.cost_pair, np.float64), counts)  # (n,) C_i, with n = P + N
        self.signs = np.repeat([1.0, -1.0], counts)  # (n,)
        self.blocks = [x[at : at + BLOCK] for x in (self.positives, self.negatives) for at in range(0, len(x), BLOCK)]
        self.block_ends = np.cumsum([len(block) for block in self.blocks])

    def margins(self, point: np.ndarray) -> np.ndarray:
        """Z u (n,)."""
        weights = point[:-1].astype(self.precision)
        scores = np.concatenate([block.astype(self.precision, copy=False) @ weights for block in self.blocks])
        return self.signs * (scores + point[-1] * self.bias_feature)

    def combine(self, alpha: np.ndarray) -> np.ndarray:
        """Z^T alpha (D + 1,)."""
        signed = alpha * self.signs
        total = np.zeros(self.positives.shape[1] + 1)
        for block, share in zip(self.blocks, np.split(signed, self.block_ends[:-1]), strict=True):
            used = np.flatnonzero(share)
            if len(used) < len(share) / 4:  # copying the few rows is cheaper than multiplying all
                block, share = block[used], share[used]  # noqa: PLW2901
            total[:-1] += share.astype(self.precision) @ block.astype(self.precision, copy=False)
        total[-1] = self.bias_feature * signed.sum()
        return total

    def rows(self, index: np.ndarray) -> np.ndarray:
        """Rows of Z (k, D + 1) at ascending indices (k,)."""
        first = len(self.positives)
        features = [self.positives[index[index < first]], -self.negatives[index[index >= first] - first]]
        return np.hstack([np.concatenate(features), self.bias_feature * self.signs[index, None]]).astype(self.precision)
