"""What ranking has learned, on pairs of videos that it has not seen: does a patch find its own, or its kind?

Rows are as in `loss`: row 2 i is the query of pair i, row 2 i + 1 its tracked patch; `distances` (2 P, 2 P) are those
of all rows. Masks are bool (P, 2 P), as in `negatives`: query of pair i against row j.
"""

import torch
from torch import Tensor

from tracklearn.ranking.loss import positive_distances
from tracklearn.ranking.negatives import candidates


def other_pairs(count: int) -> Tensor:
    """The rows of all pairs but the query's own, those of its video too; `count` is P."""
    return candidates(torch.arange(count))


def tracked_ranks(distances: Tensor, rivals: Tensor) -> Tensor:
    """How many of the rivals are as near to the query as its own tracked patch, or nearer, (P,).

    0 is a hit of recall@1, and below k one of recall@k. Rivals at the same distance count, so that features which have
    collapsed to one point find nothing.
    """
    return ((distances[0::2] <= positive_distances(distances)[:, None]) & rivals).sum(1)


def category_precision(distances: Tensor, videos: Tensor, categories: Tensor, *, k: int) -> Tensor:
    """Share of the query's category among the `k` nearest rows of other videos, (Q,) for the queries that have one.

    `videos` (P,) and `categories` (P,) are the pairs'; a category below 0 is unknown, and its pairs are neither queries
    nor found.

    Raises:
        ValueError: a query has fewer than `k` rows of other videos.
    """
    known = categories >= 0
    of_row = categories.repeat_interleave(2)  # (2 P,)
    allowed = (candidates(videos) & (of_row >= 0))[known]  # (Q, 2 P)
    if len(allowed) and (fewest := int(allowed.sum(1).min())) < k:
        raise ValueError(f"k is {k}, but some query has only {fewest} rows of other videos")
    found = distances[0::2][known].masked_fill(~allowed, torch.inf).topk(k, largest=False).indices  # (Q, k)
    return (of_row[found] == categories[known, None]).float().mean(1)
