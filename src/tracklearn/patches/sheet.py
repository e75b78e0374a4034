"""A contact sheet: some pairs of a shard at a glance (the paper's figure 3)."""

from pathlib import Path

import cv2
import numpy as np

from tracklearn.files import atomic
from tracklearn.mining.tables import spread
from tracklearn.patches.store import PatchStore

PAIRS, COLUMNS, PATCH_SIDE = 60, 12, 112  # pairs on the sheet, pairs per row, pixels


def draw_sheet(store: str | Path, sheet: str | Path) -> dict[str, float]:
    """Write a PNG of up to 60 pairs, evenly spread over a shard: query, tracked patch, video and frames of each.

    Returns:
        The number of `pairs` on the sheet.
    """
    shard = PatchStore(store)
    chosen = spread(range(len(shard)), PAIRS)
    tiles = [_tile(shard, index) for index in chosen] or [_caption(4 * PATCH_SIDE, "no pairs in this shard")]
    columns = min(COLUMNS, len(tiles))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    image = np.vstack([np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)])
    with atomic(sheet) as temporary:
        temporary.write_bytes(cv2.imencode(".png", image[:, :, ::-1])[1].tobytes())
    return {"pairs": float(len(chosen))}


def _tile(store: PatchStore, index: int) -> np.ndarray:
    """One pair with its caption: RGB (H, W, 3)."""
    patches = [cv2.resize(patch, (PATCH_SIDE, PATCH_SIDE), interpolation=cv2.INTER_AREA) for patch in store.pair(index)]
    frames = "-".join(str(frame) for frame in store.frames[index])
    caption = _caption(PATCH_SIDE, store.video_ids[store.video_of_pair[index]], frames)
    return np.pad(np.vstack([*patches, caption]), ((0, 4), (0, 4), (0, 0)), constant_values=255)


def _caption(width: int, *lines: str) -> np.ndarray:
    """Black text on white, RGB; a line that is too long loses its middle."""
    image = np.full((13 * len(lines) + 3, width, 3), 255, np.uint8)
    letters = width // 7
    for number, line in enumerate(lines):
        text = line if len(line) <= letters else f"{line[: letters // 2 - 1]}..{line[len(line) - letters // 2 + 1 :]}"
        cv2.putText(image, text, (1, 13 * number + 11), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return image
