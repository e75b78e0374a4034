"""A picture of conv1's filters. It changes no result, so an edit of this module re-runs nothing."""

from pathlib import Path

import numpy as np
from PIL import Image

from tracklearn.files import atomic
from tracklearn.networks.backbone import Backbone

COLUMNS = 12
ZOOM = 4
GAP = 1  # pixels between two filters, before the zoom


def filter_grid(net: Backbone) -> np.ndarray:
    """All filters of conv1 as one uint8 RGB image (H, W, 3); each filter's own range of values becomes 0..255."""
    weights = net.conv1_filters()  # (N, k, k, RGB)
    low = weights.min((1, 2, 3), keepdims=True)
    span = weights.max((1, 2, 3), keepdims=True) - low
    tiles = (255 * (weights - low) / np.maximum(span, 1e-12)).round().astype(np.uint8)
    count, side = len(tiles), tiles.shape[1]
    rows = -(-count // COLUMNS)
    padded = np.full((rows * COLUMNS, side + GAP, side + GAP, 3), 255, np.uint8)
    padded[:count, :side, :side] = tiles
    grid = padded.reshape(rows, COLUMNS, side + GAP, side + GAP, 3).swapaxes(1, 2)
    return grid.reshape(rows * (side + GAP), COLUMNS * (side + GAP), 3)


def draw_filters(path: str | Path, net: Backbone) -> None:
    """Write `filter_grid`, `ZOOM` times enlarged, as a PNG."""
    grid = filter_grid(net).repeat(ZOOM, 0).repeat(ZOOM, 1)
    with atomic(path) as temporary:
        Image.fromarray(grid).save(temporary, format="PNG")
