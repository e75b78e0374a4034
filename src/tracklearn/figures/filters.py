"""Figure 6: the filters of conv1 of several networks on one common scale."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tracklearn.figures.drawing import NORMAL, WIDTH, Outputs, in_print, inches, new_figure, write_figure
from tracklearn.networks.weights import build

COLUMNS = 12
GAP = 1  # values between two filters
MARGIN, HEADER, SCALE = 0.08, 0.24, 0.42  # inches: around a network, its title, the scale below all
SHARE = 99.8  # percent of all weights that the scale shows; the others have its ends' colours


@in_print
def conv1_figure(*, weights: Mapping[str, str | Path], outputs: Outputs, notes: Sequence[str] = ()) -> dict[str, float]:
    """Draw the filters of conv1 of some networks side by side, each filter in the place of its number.

    One grey level stands for 0 and one scale for all networks: a filter with weights twice as large has twice the
    contrast. Were each network, or each filter, stretched to its own range, "sharper" filters could not be seen.

    Args:
        weights: weights file of each network by its name.
        notes: which networks are left out, and why.

    Returns:
        The scale's `limit`, and for each network the root mean square of its weights, `rms/<name>`.

    Raises:
        UserError: a file that does not hold a network, whose conv1 has three input channels.
    """
    filters = {name: conv1_filters(path) for name, path in weights.items()}
    limit = common_limit(list(filters.values()))
    grids = {name: filter_grid(values, limit) for name, values in filters.items()}
    width = WIDTH / len(grids)
    heights = [(width - 2 * MARGIN) * grid.shape[0] / grid.shape[1] for grid in grids.values()]
    figure = new_figure(HEADER + max(heights) + SCALE)
    for number, ((name, grid), height) in enumerate(zip(grids.items(), heights, strict=True)):
        axes = inches(figure, number * width + MARGIN, HEADER, width - 2 * MARGIN, height)
        axes.imshow(grid, interpolation="nearest", aspect="auto")
        axes.set_title(f"({chr(97 + number)}) {name}", fontsize=NORMAL + 1, pad=4)
    scale = inches(figure, WIDTH / 2 - 1, HEADER + max(heights) + 0.12, 2, 0.09)
    scale.imshow(np.linspace(0, 1, 256)[None], cmap="gray", aspect="auto", extent=(-limit, limit, 0, 1))
    scale.axis("on")
    scale.set(yticks=[], xticks=[-limit, 0, limit])
    scale.set_xticklabels([f"−{limit:.2g}", "weight 0", f"{limit:.2g}"])
    scale.tick_params(length=2, pad=1.5)
    rms = {name: float(np.sqrt(np.mean(values**2))) for name, values in filters.items()}
    write_figure(
        figure,
        outputs,
        caption="Filters of conv1 of "
        + " and ".join(f"{name} ({len(values)} filters)" for name, values in filters.items())
        + f" on one common scale: mid-grey is a weight of 0, black and white are −{limit:.2g} and {limit:.2g} in each "
        f"of the three colour channels; {SHARE}% of all weights lie between them. A filter has the same place in each "
        "network.",
        drawn=[f"{name}: root mean square of the weights {value:.4f}" for name, value in rms.items()],
        notes=notes,
    )
    return {"limit": limit, **{f"rms/{name}": value for name, value in rms.items()}}


def conv1_filters(weights: str | Path) -> np.ndarray:
    """The filters of a network's conv1, float32 (N, k, k, 3), RGB."""
    return build(weights).conv1_filters()


def common_limit(filters: list[np.ndarray]) -> float:
    """The size below which `SHARE` percent of all weights of some networks lie."""
    return float(np.percentile(np.abs(np.concatenate([values.ravel() for values in filters])), SHARE))


def filter_grid(filters: np.ndarray, limit: float) -> np.ndarray:
    """Filters (N, S, S, 3) in rows on white, uint8 (H, W, 3): -limit is 0, 0 is 127.5, limit is 255."""
    count, side = len(filters), filters.shape[1]
    rows = -(-count // COLUMNS)
    tiles = np.full((rows * COLUMNS, side + GAP, side + GAP, 3), 255, np.uint8)
    tiles[:count, :side, :side] = np.rint(127.5 + 127.5 * np.clip(filters / max(limit, 1e-12), -1, 1))
    grid = tiles.reshape(rows, COLUMNS, side + GAP, side + GAP, 3).swapaxes(1, 2)
    return grid.reshape(rows * (side + GAP), COLUMNS * (side + GAP), 3)[:-GAP, :-GAP]
