"""Which patches of the batch are a query's negatives (section 5.3).

All masks are bool (P, 2 P): query of pair i against row j of the batch. A mask `others` holds the rows from which the
negatives are chosen. A query with fewer than `negatives_per_pair` such rows has all of them as negatives. Draws are
uniform random numbers (P, 2 P): the rows of the highest draws are chosen.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from tracklearn.ranking.loss import query_hinges


def other_videos(videos: Tensor) -> Tensor:
    """The rows of other videos than the query's; `videos` (P,) holds each pair's video."""
    return videos[:, None] != videos.repeat_interleave(2)[None, :]


def random_negatives(others: Tensor, draws: Tensor, *, negatives_per_pair: int) -> Tensor:
    """`negatives_per_pair` of the rows `others` for each query, drawn without replacement."""
    return _highest(draws, others, negatives_per_pair)


def hardest_negatives(distances: Tensor, others: Tensor, *, negatives_per_pair: int) -> Tensor:
    """The `negatives_per_pair` rows of highest loss among `others`: those nearest to the query."""
    return _highest(-distances[0::2], others, negatives_per_pair)


def fork_negatives(
    distances: Tensor, others: Tensor, draws: Sequence[Tensor], *, negatives_per_pair: int, margin: float
) -> Tensor:
    """The released code's choice of K = `negatives_per_pair` among the rows `others` that violate the margin.

    Half of K are drawn from the K nearest violating rows, and the others from all violating rows that are left; each
    choice has draws of its own. If at most K rows violate the margin, all of them are negatives
    (rank_hard_loss_layer.cpp).
    """
    violating = others & (query_hinges(distances, margin=margin) > 0)
    half = negatives_per_pair // 2
    nearest = hardest_negatives(distances, violating, negatives_per_pair=negatives_per_pair)
    hard = random_negatives(nearest, draws[0], negatives_per_pair=half)
    left = violating & ~hard
    return hard | random_negatives(left, draws[1], negatives_per_pair=negatives_per_pair - half)


def _highest(scores: Tensor, others: Tensor, count: int) -> Tensor:
    rows = scores.masked_fill(~others, -torch.inf).topk(min(count, scores.shape[1])).indices
    return torch.zeros_like(others).scatter_(1, rows, True) & others
