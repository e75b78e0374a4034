"""Table 1's column "external": the data beside the challenge's own images that the networks of a row learned from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tracklearn.files import write_json
from tracklearn.networks.weights import load_weights


def write_external_texts(*, rows: Mapping[str, Mapping[str, Any]], out: str | Path) -> dict[str, float]:
    """Write the column as JSON, {row id: text}.

    Args:
        rows: arguments of `external_text` by row id.

    Returns:
        The number of rows.
    """
    texts = {row: external_text(**data) for row, data in rows.items()}
    write_json(out, texts)
    return {"rows": len(texts)}


def external_text(
    *,
    label: str,
    patches: Sequence[tuple[str | Path, int | None]],
    images: Sequence[str | Path],
    crops: bool,
    given: Sequence[str],
) -> str:
    """The label, or what was used where this differs from the label.

    Args:
        label: the row's text of the configuration, the paper's for the paper's rows.
        patches: weights of ranking networks on disjoint subsets, each with the number of patches that the subset wants
            (None: no number).
        images: weights of networks trained on labelled images, of one folder. Where no file states how many images
            there were, the text has no number.
        crops: whether networks learned to classify crops of the challenge's own images, which are no external data.
        given: names of the networks whose weights were given.
    """
    used = sum(2 * load_weights(path, tensors=False)[1]["pairs"] for path, _ in patches)
    wanted = None if any(number is None for _, number in patches) else sum(number or 0 for _, number in patches)
    labelled = max((load_weights(path, tensors=False)[1].get("images", 0) for path in images), default=0)
    text = [label] if label else []
    if used != wanted:
        text = [f"{written(used)} of {label}" if label else f"{written(used)} patches"]
    text += [f"{labelled:,} labelled images" if labelled else "labelled images"] if images else []
    text += ["crops of VOC's training images"] if crops else []
    return ", ".join([*text, *given])


def written(patches: int) -> str:
    """A number as in the paper, 7.0M, rounded down so that it never looks whole too early; below a million in full."""
    return f"{patches:,}" if patches < 1e6 else f"{patches // 100_000 / 10:.1f}M"
