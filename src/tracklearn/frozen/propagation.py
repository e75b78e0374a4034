"""Labels of a video's first frame, carried on to the frames after it by the likeness of features.

Source: Jabri et al., Space-Time Correspondence as a Contrastive Random Walk, NeurIPS 2020, appendix; Caron et al.,
Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021, section 4.2.2.
"""

from collections import deque
from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from tracklearn.settings.frozen import Propagation

AT_ONCE = 2**24  # cosines


def propagate(frames: Iterable[Tensor], first: Tensor, settings: Propagation) -> Iterator[Tensor]:
    """Yield the labels (K, H, W) of each frame after the first.

    A cell takes the labels of the `top_k` cells of highest cosine among those of the first frame and of the last
    `context` frames that are at most `radius` away; each counts exp(cosine / temperature), and the weights sum to 1.

    Args:
        frames: features (C, H, W) of each frame, the first one included.
        first: (K, H, W), the share of each of K labels in each cell of the first frame.
    """
    height, width = first.shape[1:]
    near = cells_near(height, width, settings.radius).to(first.device)
    every = iter(frames)
    start = _unit(next(every)), first.flatten(1)
    later: deque[tuple[Tensor, Tensor]] = deque(maxlen=settings.context)
    for features in every:
        asking = _unit(features)  # (C, P)
        known, labels = (torch.cat(part, dim=1) for part in zip(start, *later, strict=True))  # (C, n P) and (K, n P)
        taken = _carried(asking, known, labels, near, settings)
        later.append((asking, taken))
        yield taken.view(-1, height, width)


def _carried(asking: Tensor, known: Tensor, labels: Tensor, near: Tensor, settings: Propagation) -> Tensor:
    """Labels (K, P) of cells with features (C, P), from n P cells."""
    found = []
    for some in torch.arange(asking.shape[1], device=asking.device).split(max(1, AT_ONCE // known.shape[1])):
        cosines = asking[:, some].T @ known  # (p, n P)
        cosines.view(len(some), -1, near.shape[1]).masked_fill_(~near[some, None], -torch.inf)
        best, cells = cosines.topk(min(settings.top_k, cosines.shape[1]), dim=1)  # (p, k)
        weights = (best / settings.temperature).softmax(dim=1)  # 0 for cells that are not near
        found.append((labels[:, cells] * weights).sum(dim=2))
    return torch.cat(found, dim=1)


def cells_near(height: int, width: int, radius: int) -> Tensor:
    """Whether two cells are at most `radius` rows and columns apart: (P, P) bool for P = height x width."""
    rows, columns = (torch.arange(size)[:, None].sub(torch.arange(size)).abs() <= radius for size in (height, width))
    return (rows[:, None, :, None] & columns[None, :, None, :]).reshape(height * width, height * width)


def _unit(features: Tensor) -> Tensor:
    """Features (C, H, W) as columns (C, P) of length 1; those that are all 0 stay 0."""
    return F.normalize(features.flatten(1), dim=0)
