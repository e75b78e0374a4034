"""Each way in which jobs write files, on a disk that fills up after so many bytes; a program, to be run in a namespace.

`python writers.py DISK` mounts a tmpfs there, and prints each writer with the number of tries that met the full disk.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tracklearn.errors import UserError
from tracklearn.features.extraction import extract_features
from tracklearn.mining.tables import TRACKS, write_table
from tracklearn.networks.caffenet import CaffeNet
from tracklearn.networks.filters import draw_filters
from tracklearn.networks.weights import save_weights
from tracklearn.patches.writing import Pair, write_shard
from tracklearn.tables.cells import write_figures
from tracklearn.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tracklearn.voc.proposals_file import write_proposals

SHARES = (0, 0.02, 0.2, 0.5, 0.8, 0.95)  # of the bytes that a writer needs
PAGE = 4096


def writers(disk: Path) -> dict[str, Callable[[], object]]:
    """A function for each kind of file, which writes below `disk`."""
    draw = np.random.default_rng(0)
    net = CaffeNet(fc7=16, outputs=4, width=0.125, input_size=99)
    patches = draw.integers(0, 255, (20, 99, 99, 3), np.uint8)
    pairs = [Pair("v", (i, i + 1), np.zeros((2, 4)), 1.0, patches[i], patches[i + 1]) for i in range(0, 20, 2)]
    rows = [dict.fromkeys(TRACKS, str(number)) for number in range(2000)]
    boxes = [draw.random((300, 4), np.float32) for _ in range(20)]
    tensors = {"net": net.state_dict(), "velocities": {name: value + 1 for name, value in net.state_dict().items()}}
    draws = {"mean": draw.random(5000)}
    return {
        "shard": lambda: write_shard(disk / "a/00000.h5", pairs, size=99, quality=90),
        "features": lambda: extract_features(source=Windows(), out=disk / "a/features.h5"),
        "table": lambda: write_table(disk / "a/tracks.csv", TRACKS, rows),
        "proposals": lambda: write_proposals(disk / "a/0.npz", [str(number) for number in range(20)], boxes),
        "weights": lambda: save_weights(disk / "a/weights.safetensors", net),
        "checkpoint": lambda: save_checkpoint(disk / "a", Checkpoint(tensors, {"iteration": 1}, {"seed": 1})),
        "filters": lambda: draw_filters(disk / "a/conv1.png", net),
        "figures": lambda: write_figures(disk / "a/cell.json", disk / "a/draws.npz", values={"mean": 0.5}, draws=draws),
    }


class Windows:
    """A source of features, as `features.source` has them."""

    ids, names, widths, ground_truth = ("a",), ("weights",), (256,), (np.zeros(4000, bool),)
    boxes = (np.zeros((4000, 4), np.float32),)

    def __len__(self) -> int:
        return 1

    def windows(self):
        for start in range(0, 4000, 500):
            draw = np.random.default_rng(start)
            yield type("Batch", (), {"boxes": range(500), "features": draw.random((500, 256), np.float32)})


def mount(disk: Path, *options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", *options, "none", disk], check=True)


def used(disk: Path) -> int:
    return int(subprocess.run(["du", "-s", "-B1", disk], check=True, capture_output=True).stdout.split()[0])


def main(disk: Path) -> None:
    torch.set_num_threads(1)
    for name, write in writers(disk).items():
        mount(disk, "size=200m")
        write()
        print(name, flush=True)
        needed, whole = used(disk), {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
        met = 0
        for share in SHARES:
            # The files of before stand there, whole, and so many bytes are left beside them.
            mount(disk, f"size={needed + max(1, int(share * needed) // PAGE) * PAGE}")
            (disk / "a").mkdir()
            for path, content in whole.items():
                path.write_bytes(content)
            try:
                write()
            except UserError as error:
                met += 1
                assert "the disk is full" in str(error) and "free space and run again" in str(error), error
            found = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
            previous = found.pop(disk / "a/previous.safetensors", None)
            assert name == "checkpoint" or previous is None
            assert found == whole, (name, share, sorted(found))
            if name == "checkpoint":
                assert load_checkpoint(disk / "a", {"seed": 1}) is not None
            subprocess.run(["umount", disk], check=True)
        print(f"{name}: {needed} bytes, {met} of {len(SHARES)} tries met the full disk", flush=True)
        assert met >= 3, name
        subprocess.run(["umount", disk], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
