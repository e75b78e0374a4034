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
    near, there = (part.to(first.device) for part in cells_near(height, width, settings.radius))
    every = iter(frames)
    start = _unit(next(every)), first.flatten(1)
    later: deque[tuple[Tensor, Tensor]] = deque(maxlen=settings.context)
    for features in every:
        asking = _unit(features)  # (C, P)
        known, labels = (torch.cat(part, dim=1) for part in zip(start, *later, strict=True))  # (C, n P) and (K, n P)
        taken = _carried(asking, known, labels, near, there, settings)
        later.append((asking, taken))
        yield taken.view_as(first)


def _carried(
    asking: Tensor, known: Tensor, labels: Tensor, near: Tensor, there: Tensor, settings: Propagation
) -> Tensor:
    """Labels (K, P) of cells with features (C, P), from n P cells; `near` and `there` (P, R) are of `cells_near`."""
    count, frames = asking.shape[1], known.shape[1] // asking.shape[1]
    starts = count * torch.arange(frames, device=near.device)[:, None]  # of the frames' cells
    found = []
    most = max(known.shape[1], frames * near.shape[1])  # values of each asking cell
    for some in torch.arange(count, device=near.device).split(max(1, AT_ONCE // most)):
        cells = (near[some, None] + starts).flatten(1)  # (p, n R)
        cosines = (asking[:, some].T @ known).gather(1, cells)
        cosines.masked_fill_(~there[some].repeat(1, frames), -torch.inf)
        best, places = cosines.topk(min(settings.top_k, cosines.shape[1]), dim=1)  # (p, k)
        weights = (best / settings.temperature).softmax(dim=1)  # 0 for places beyond the edge
        found.append((labels[:, cells.gather(1, places)] * weights).sum(dim=2))
    return torch.cat(found, dim=1)


def cells_near(height: int, width: int, radius: int) -> tuple[Tensor, Tensor]:
    """The cells at most `radius` rows and columns away from each of P = height x width cells.

    Returns:
        Numbers of cells (P, R) int64, R at most (2 radius + 1)^2, and whether each of these places lies inside the
        frame (P, R) bool; a place outside has the number of a cell inside.
    """
    rows, columns = (
        torch.arange(size)[:, None] + torch.arange(-min(radius, size - 1), min(radius, size - 1) + 1)
        for size in (height, width)
    )  # (height, 2 radius + 1) and (width, 2 radius + 1), or as many as there can be
    inside = [(each >= 0) & (each < size) for each, size in ((rows, height), (columns, width))]
    cells = rows.clamp(0, height - 1)[:, None, :, None] * width + columns.clamp(0, width - 1)[None, :, None, :]
    there = inside[0][:, None, :, None] & inside[1][None, :, None, :]
    return cells.reshape(height * width, -1), there.reshape(height * width, -1)


def _unit(features: Tensor) -> Tensor:
    """Features (C, H, W) as columns (C, P) of length 1; those that are all 0 stay 0."""
    return F.normalize(features.flatten(1), dim=0)
