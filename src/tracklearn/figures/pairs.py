"""Figure 3: pairs of a query patch and its tracked patch."""

from collections.abc import Sequence
from pathlib import Path

from tracklearn.figures.drawing import (
    WIDTH,
    Outputs,
    draw_without_replacement,
    in_print,
    inches,
    new_figure,
    repeats_last,
    write_figure,
    write_placard,
)
from tracklearn.patches.store import PatchStore
from tracklearn.patches.subset import Subset

COLUMNS = 4  # pairs in a row
HEADER, GAP, INNER = 0.18, 0.1, 0.02  # inches: above all pairs, between two pairs, between the patches of a pair


@in_print
def pairs_figure(*, stores: Sequence[str | Path], count: int, seed: int, outputs: Outputs) -> dict[str, float]:
    """Draw some pairs of all shards at random, and a second pair of a video only where too few videos were drawn.

    Args:
        stores: the patch shards.
        count: number of pairs.
        seed: of the draw; equal shards and seeds give the same pairs.

    Returns:
        The numbers of `pairs` in the figure, of the `videos` that they come from, and of the `available` pairs.

    Raises:
        UserError: a file is not a patch shard.
    """
    subset = Subset(stores)
    drawn = [subset.place(index) for index in draw_without_replacement(len(subset), count, seed, 3)]
    videos = [store.video_ids[store.video_of_pair[index]] for store, index in drawn]
    chosen = repeats_last(videos)[:count]
    if not chosen:
        write_placard(outputs, f"Figure 3: no pair in {len(stores)} shards; add videos or relax mining.filter")
        return {"pairs": 0.0, "videos": 0.0, "available": 0.0}
    side = (WIDTH - (COLUMNS - 1) * GAP) / COLUMNS / 2 - INNER / 2  # inches of a patch
    rows = -(-len(chosen) // COLUMNS)
    figure = new_figure(HEADER + rows * (side + GAP) - GAP)
    for number, place in enumerate(chosen):
        store, index = drawn[place]
        row, column = divmod(number, COLUMNS)
        for half, (patch, name) in enumerate(zip(store.pair(index), ("query", "tracked"), strict=True)):
            left = column * (2 * side + INNER + GAP) + half * (side + INNER)
            axes = inches(figure, left, HEADER + row * (side + GAP), side, side)
            axes.imshow(patch, interpolation="antialiased")
            if row == 0:
                axes.set_title(name, pad=2.5)
    shown = {videos[place] for place in chosen}
    write_figure(
        figure,
        outputs,
        caption=f"{len(chosen)} of {len(subset):,} pairs, from {len(shown)} videos, drawn at random with seed {seed}, "
        "each from another video as far as there are as many: the query patch on the left, the patch at the end of its "
        "track on the right.",
        drawn=[_name(*drawn[place], videos[place]) for place in chosen],
    )
    return {"pairs": float(len(chosen)), "videos": float(len(shown)), "available": float(len(subset))}


def _name(store: PatchStore, index: int, video: str) -> str:
    """A pair's video, frames and shard."""
    first, last = store.frames[index]
    between = f"frames {first} and {last}" if first >= 0 else "frames unknown"
    return f"{video}, {between} (pair {index} of shard {store.path.stem})"
