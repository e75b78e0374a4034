"""The ranking loss (sections 5.1 to 5.3), for all triplets of a batch at once.

A batch of P pairs has 2 P rows: row 2 i is the query of pair i, row 2 i + 1 its tracked patch. The mask `negatives`
(P, 2 P) is true where a row is a chosen negative of a pair's query.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def cosine_distances(features: Tensor) -> Tensor:
    """D(a, b) = 1 - a . b / (|a| |b|) of all rows: (2 P, F) -> (2 P, 2 P), in float32.

    Equal directions have distance 0 and opposite ones 2; a row of zeros has distance 1 to all rows.
    """
    with torch.autocast(features.device.type, enabled=False):  # the two digits of bf16 are too few for near patches
        unit = F.normalize(features.float())
        return 1 - unit @ unit.T


def positive_distances(distances: Tensor) -> Tensor:
    """D(query, tracked) of each pair: (2 P, 2 P) -> (P,)."""
    return distances[0::2, 1::2].diagonal()


def paper_loss(distances: Tensor, negatives: Tensor, *, margin: float) -> Tensor:
    """Mean of max(0, D(q, t) - D(q, n) + M) over the chosen triplets, equation 2."""
    # ASSUME: the mean, since the paper states no normaliser
    return (query_hinges(distances, margin=margin) * negatives).sum() / negatives.sum().clamp(min=1)


def fork_loss(distances: Tensor, negatives: Tensor, *, margin: float, negatives_per_pair: int) -> Tensor:
    """The released code's symmetric loss, which also sums the tracked patch's hinges, max(0, D(q, t) - D(t, n) + M).

    The sum is divided by `negatives_per_pair` x pairs x 2 even if fewer negatives violate the margin
    (rank_hard_loss_layer.cpp).
    """
    tracked = F.relu(positive_distances(distances)[:, None] - distances[1::2] + margin)
    hinges = (query_hinges(distances, margin=margin) + tracked) * negatives
    return hinges.sum() / (negatives_per_pair * len(negatives) * 2)


def infonce_loss(distances: Tensor, others: Tensor, *, temperature: float, symmetric: bool = False) -> Tensor:
    """Mean of -log(exp(-D(q, t) / T) / (exp(-D(q, t) / T) + sum of exp(-D(q, n) / T) over all rows n of `others`)).

    It is the cross-entropy of choosing the tracked patch by cosine similarity, at the temperature T. `others` (P, 2 P)
    holds the rows of other videos; a query without such rows costs nothing. `symmetric` takes the mean with the same
    loss of the tracked patch, which has the query to find: -log(exp(-D(q, t) / T) / (... + exp(-D(t, n) / T) ...)).

    Source: van den Oord et al., Representation learning with contrastive predictive coding, 2018, equation 4.
    """
    positives = positive_distances(distances)[:, None]
    sides = [distances[0::2], distances[1::2]] if symmetric else [distances[0::2]]  # (P, 2 P) each
    losses = []
    for side in sides:
        logits = ((positives - side) / temperature).masked_fill(~others, -torch.inf)
        losses.append(F.pad(logits, (1, 0)).logsumexp(1).mean())  # the padded 0 is the logit of the positive
    return torch.stack(losses).mean()


def query_hinges(distances: Tensor, *, margin: float) -> Tensor:
    """max(0, D(q, t) - D(q, n) + M) of every query and every row of the batch, (P, 2 P)."""
    return F.relu(positive_distances(distances)[:, None] - distances[0::2] + margin)
