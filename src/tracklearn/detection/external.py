"""Table 1's column "external": the data beside the challenge's own images that the networks of a row learned from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tracklearn.networks.weights import load_weights
from tracklearn.tables.cells import EXTERNAL, write_cells


def external_cell(
    *,
    row: str,
    label: str,
    patches: Sequence[tuple[str | Path, int | None]],
    images: Sequence[str | Path],
    crops: bool,
    given: Sequence[str],
    cell: str | Path,
    runs: Any = (),
) -> dict[str, float]:
    """Write the cell: the label, or what was used where this differs from the label.

    Args:
        label: the row's text of the configuration, the paper's for the paper's rows.
        patches: weights of ranking networks on disjoint subsets, each with the number of patches that the subset wants
            (None: no number).
        images: weights of networks trained on labelled images, of one folder. Where no file states how many images
            there were, the text has no number.
        crops: whether networks learned to classify crops of the challenge's own images, which are no external data.
        given: names of the networks whose weights were given.
        runs: ids of the runs that made the inputs, written to the cell.

    Returns:
        Numbers of patches and of labelled images.
    """
    used = sum(2 * load_weights(path, tensors=False)[1]["pairs"] for path, _ in patches)
    wanted = None if any(number is None for _, number in patches) else sum(number or 0 for _, number in patches)
    labelled = max((load_weights(path, tensors=False)[1].get("images", 0) for path in images), default=0)
    text = [label] if label else []
    if used != wanted:
        text = [f"{written(used)} of {label}" if label else f"{written(used)} patches"]
    text += [f"{labelled:,} labelled images" if labelled else "labelled images"] if images else []
    text += ["crops of VOC's training images"] if crops else []
    filled = {"text": ", ".join([*text, *given]), "patches": used, "images": labelled, "given": list(given)}
    write_cells([cell], {EXTERNAL: filled}, row=row, runs=runs)
    return {"patches": used, "images": labelled}


def written(patches: int) -> str:
    """A number as in the paper, 7.0M, rounded down so that it never looks whole too early; below a million in full."""
    return f"{patches:,}" if patches < 1e6 else f"{patches // 100_000 / 10:.1f}M"
