"""Which patches of the batch are a query's negatives (section 5.3).

All masks are bool (P, 2 P): query of pair i against row j of the batch. A query with fewer candidates than `count` has
all of them as negatives.
"""

import torch
from torch import Tensor

from tracklearn.ranking.loss import query_hinges


def candidates(videos: Tensor) -> Tensor:
    """The rows of other videos than the query's; `videos` (P,) holds each pair's video."""
    return videos[:, None] != videos.repeat_interleave(2)[None, :]


def random_negatives(allowed: Tensor, *, count: int, generator: torch.Generator) -> Tensor:
    """`count` of the allowed rows for each query, drawn without replacement."""
    draws = torch.rand(allowed.shape, generator=generator, device=allowed.device)
    return _highest(draws, allowed, count)


def hardest_negatives(distances: Tensor, allowed: Tensor, *, count: int) -> Tensor:
    """The `count` allowed rows of highest loss: those nearest to the query."""
    return _highest(-distances[0::2], allowed, count)


def fork_negatives(
    distances: Tensor, allowed: Tensor, *, count: int, margin: float, generator: torch.Generator
) -> Tensor:
    """The fork's choice among the allowed rows that violate the margin: one half the nearest, one half at random."""
    violating = allowed & (query_hinges(distances, margin=margin) > 0)
    nearest = hardest_negatives(distances, violating, count=count // 2)
    drawn = random_negatives(violating & ~nearest, count=count - count // 2, generator=generator)
    return nearest | drawn


def _highest(scores: Tensor, allowed: Tensor, count: int) -> Tensor:
    rows = scores.masked_fill(~allowed, -torch.inf).topk(min(count, scores.shape[1])).indices
    return torch.zeros_like(allowed).scatter_(1, rows, True) & allowed
