"""What ranking has learned, measured on pairs of unseen videos: are the nearest patches the right ones?

Rows are as in `loss`: row 2 i is the query of pair i, row 2 i + 1 its tracked patch; `distances` (2 P, 2 P) are those
of all rows. Masks are bool (P, 2 P), as in `negatives`: query of pair i against row j.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from tracklearn.ranking.loss import positive_distances
from tracklearn.ranking.negatives import other_videos

BLOCK = 1024  # queries whose distances to all rows are held at once


def other_pairs(pair_count: int) -> Tensor:
    """The rows of all other pairs, also of those of the query's video; `pair_count` is P."""
    return other_videos(torch.arange(pair_count))


def tracked_ranks(distances: Tensor, rivals: Tensor) -> Tensor:
    """How many of the rivals are as near to the query as its own tracked patch, or nearer, (P,).

    A query counts for recall@k if its rank is below k. Rivals at the same distance count, so that features which
    collapsed to one point have a recall of 0.
    """
    return ((distances[0::2] <= positive_distances(distances)[:, None]) & rivals).sum(1)


def ranks_in_blocks(features: Tensor, videos: Tensor, *, block: int = BLOCK) -> Tensor:
    """`tracked_ranks` among the rows of other videos, from the features (2 P, D), in memory that is linear in P.

    With the pair's own number in place of its video, (P,), the rivals are those of `other_pairs`.
    """
    unit, of_rows = F.normalize(features.float()), videos.repeat_interleave(2)
    ranks = []
    for pairs in torch.arange(len(videos)).split(block):
        distances = 1 - unit[2 * pairs] @ unit.T  # (block, 2 P)
        tracked = distances.gather(1, 2 * pairs[:, None] + 1)
        ranks.append(((distances <= tracked) & (videos[pairs, None] != of_rows)).sum(1))
    return torch.cat(ranks)


def category_precision(distances: Tensor, videos: Tensor, categories: Tensor, *, k: int) -> Tensor:
    """Share of the query's category among the `k` nearest rows of other videos, (Q,) for the Q queries with a category.

    `videos` (P,) and `categories` (P,) are those of the pairs. A category below 0 is unknown; its pairs are neither
    queries nor among the nearest rows.

    Raises:
        ValueError: a query has fewer than `k` rows of other videos.
    """
    known = categories >= 0
    row_categories = categories.repeat_interleave(2)  # (2 P,)
    others = (other_videos(videos) & (row_categories >= 0))[known]  # (Q, 2 P)
    if len(others) and (fewest := int(others.sum(1).min())) < k:
        raise ValueError(f"k is {k}, but some query has only {fewest} rows of other videos")
    nearest = distances[0::2][known].masked_fill(~others, torch.inf).topk(k, largest=False).indices  # (Q, k)
    return (row_categories[nearest] == categories[known, None]).float().mean(1)
