"""How fast are patches augmented? Beside torchvision, which changes one patch at a time, and beside the ranking step.

Both change uint8 patches of the paper's size, a batch of the paper's size at a time, and draw random numbers for each
patch. torchvision's transforms have the same settings, but turn hues in HSV. The ranking step is that of the paper's
CaffeNet. All use one thread; the patches are cut from the clips of DATA (environment; default ../shared/data), or are
synthetic if there are no clips.
"""

import os
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from simplejpeg import decode_jpeg
from torchvision.transforms import v2

from benchmarks.store import SIDE, _patches
from benchmarks.training import BATCH, SECONDS, Kind, ours, rate
from tracklearn.machine.memory import keep_freed_memory
from tracklearn.ranking.augment import BLUR, DRAWS, HUE, augmented
from tracklearn.settings.ranking import Augment

ROUNDS = 3
CPU = torch.device("cpu")
CHANGES: dict[str, dict[str, Any]] = {
    "crop": {"crop": (0.5, 1)},
    "crop, colour": {"crop": (0.5, 1), "colour": 0.4},
    "crop, colour, grey, blur": {"crop": (0.2, 1), "colour": 0.4, "grey": 0.2, "blur": 0.5},
}


def main() -> None:
    """Print a table of the patches a second, for each choice of changes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        _table()
    finally:
        torch.set_num_threads(threads)


def _table() -> None:
    found, source = _patches(Path(os.environ.get("DATA", "../shared/data")) / "videos")
    patches = torch.from_numpy(np.stack([decode_jpeg(jpeg) for jpeg in found[:: len(found) // BATCH][:BATCH]]))
    draws = torch.rand((BATCH, len(DRAWS)), generator=torch.Generator().manual_seed(0))
    keep_freed_memory()  # as the training loop does
    training = ours(CPU, Kind("fp32"))
    print(f"Batches of {BATCH} patches of {SIDE} pixels {source}, 1 thread\n")
    print("| changes | ours, patches/s | torchvision, patches/s | ours is faster | share of a training's time |")
    print("|---|---|---|---|---|")
    for name, keys in CHANGES.items():
        settings = Augment(**keys)
        theirs = torchvisions(settings)
        steps = (
            lambda _, settings=settings: augmented(patches, draws, settings),
            lambda _, theirs=theirs: [theirs(patch.permute(2, 0, 1)) for patch in patches],
            training,
        )
        rounds = [[rate(step, CPU, SECONDS / 2) for step in steps] for _ in range(ROUNDS)]
        own, other = (BATCH * statistics.median(each[place] for each in rounds) for place in (0, 1))
        faster = statistics.median(each[0] / each[1] for each in rounds)
        share = statistics.median(each[2] / (each[0] + each[2]) for each in rounds)
        print(f"| {name} | {own:.0f} | {other:.0f} | {faster:.1f} x | {share:.1%} |", flush=True)


def torchvisions(settings: Augment) -> v2.Transform:
    """The same changes of one patch (3, S, S) by torchvision."""
    strength = settings.colour
    changes: list[v2.Transform] = [
        v2.RandomResizedCrop(SIDE, scale=settings.crop, ratio=(1, 1), antialias=False),
        v2.ColorJitter(strength, strength, strength, HUE * strength),
    ]
    if settings.grey:
        changes.append(v2.RandomGrayscale(settings.grey))
    if settings.blur:
        deviation = BLUR * SIDE
        blur = v2.GaussianBlur(2 * round(3 * deviation) + 1, (deviation, deviation))
        changes.append(v2.RandomApply([blur], settings.blur))
    return v2.Compose(changes if strength else [changes[0], *changes[2:]])


if __name__ == "__main__":
    main()
