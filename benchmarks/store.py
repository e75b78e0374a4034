"""Does the patch shard keep up with decoding from memory? Random pairs of q95 patches, decoded on one core.

Every peer holds the same patches, and a round reads the same pairs from each, one after the other; the order turns
from round to round. Ratios are taken within a round. Everything is in the page cache. Then the paper's 8M patches: how
long 1,000 shards take to open, and how much memory they need, up to a pair of each.

Patches are cut from the clips of DATA (environment; default ../shared/data), or synthetic where there are none.
"""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import simplejpeg
import torch
from torchvision.io import ImageReadMode, decode_jpeg, read_file

from tracklearn.patches.subset import Subset
from tracklearn.patches.writing import Pair, encode, write_shard
from tracklearn.ranking.train import check_pairs
from tracklearn.training.sampling import SpreadOrder

SIDE, QUALITY = 227, 95
PAIRS, SHARDS = 1000, 10
BATCH, BATCHES, ROUNDS = 50, 4, 20
PAPER_SHARDS, PAPER_PAIRS, PAPER_VIDEOS, PAPER_BYTES = 1000, 4000, 100, 20_400  # a shard: pairs, videos; bytes a patch
STEPS = ("open", "videos, check", "order of the first batch")

Read = Callable[[np.ndarray, np.ndarray], None]
"""Decodes the pairs of some indices (n,) into uint8 RGB (n, 2, S, S, 3)."""


def main() -> None:
    """Print two tables."""
    data = Path(os.environ.get("DATA", "../shared/data"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with TemporaryDirectory(prefix="tracklearn-store-") as folder:
        patches, source = _patches(data / "videos")
        size, raw = np.mean([len(patch) for patch in patches]) / 1e3, 3 * SIDE**2 / 1e3
        print(
            f"{len(patches)} patches of {SIDE} px, q{QUALITY}, {source}; {size:.1f} KB each (raw {raw:.1f}); one core\n"
        )
        with ExitStack() as stack:
            _print_speeds(_rounds(_readers(patches, Path(folder), stack)))
        shards = [_write_sparse(Path(folder, f"sparse{index:04d}.h5"), index) for index in range(PAPER_SHARDS)]
        # In a process of its own, since a peak of memory stays.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            _print_opening(*pool.submit(_opening, shards).result())
    torch.set_num_threads(threads)


def _patches(videos: Path) -> tuple[list[bytes], str]:
    """JPEG files of PAIRS pairs, and where they are from."""
    files = sorted(path for path in videos.glob("*") if path.is_file())
    if not files:
        return [encode(patch, QUALITY) for patch in _synthetic(2 * PAIRS)], f"synthetic (no clips in {videos})"
    each, rng = -(-PAIRS // len(files)), np.random.default_rng(0)
    patches = [encode(patch, QUALITY) for file in files for patch in _cut(file, each, rng)]
    return patches[: 2 * PAIRS], f"from {len(files)} clips"


def _cut(file: Path, count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """`count` pairs of patches of a clip, 30 frames apart and anywhere in the frame."""
    from tracklearn.videos.frames import read_frames  # noqa: PLC0415 (PyAV may be missing where there are no clips)

    frames = [frame for _, frame in read_frames(file, size=(448, 600), indices=[0, 30, 60], colour=True)]
    couples = list(pairwise(frames)) or [(frames[0], frames[0])]
    for index in range(count):
        couple = couples[index % len(couples)]
        height, width = couple[0].shape[:2]
        y, x = rng.integers(height - SIDE + 1), rng.integers(width - SIDE + 1)
        yield from (frame[y : y + SIDE, x : x + SIDE] for frame in couple)


def _synthetic(count: int) -> Iterator[np.ndarray]:
    """Smooth noise on two scales: about as many bytes as a patch of a video."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        coarse, fine = (rng.integers(0, 128, (side, side, 3)).astype(np.uint8) for side in (8, 76))
        both = coarse.repeat(29, 0).repeat(29, 1)[:SIDE, :SIDE] + fine.repeat(3, 0).repeat(3, 1)[:SIDE, :SIDE] // 3
        yield both


def _readers(patches: list[bytes], folder: Path, stack: ExitStack) -> dict[str, Read]:
    """The peers by name: (a) the ceiling, (b) the patch shard, (c) to (e) others."""
    hdf5 = stack.enter_context(h5py.File(_write_hdf5(folder / "peers.h5", patches)))
    subset = Subset(_write_shards(folder, patches))
    vlen, raw = hdf5["vlen"], hdf5["raw"]
    files = []
    for index, patch in enumerate(patches):
        files.append(str(folder / f"{index:05d}.jpg"))
        Path(files[-1]).write_bytes(patch)

    def decoded(get: Callable[[int], bytes | np.ndarray]) -> Read:
        def read(pairs: np.ndarray, out: np.ndarray) -> None:
            for pair, both in zip(pairs.tolist(), out, strict=True):
                simplejpeg.decode_jpeg(get(2 * pair), "RGB", buffer=both[0])
                simplejpeg.decode_jpeg(get(2 * pair + 1), "RGB", buffer=both[1])

        return read

    def read_store(pairs: np.ndarray, out: np.ndarray) -> None:
        # The shards were dealt the pairs in turn.
        subset.pairs(pairs % SHARDS * (PAIRS // SHARDS) + pairs // SHARDS, out=out)

    def read_raw(pairs: np.ndarray, out: np.ndarray) -> None:
        for pair, both in zip(pairs.tolist(), out, strict=True):
            raw.read_direct(both, np.s_[2 * pair : 2 * pair + 2])

    def read_files(pairs: np.ndarray, out: np.ndarray) -> None:
        # It decodes to memory of its own; only the last patch is copied, to be compared.
        for pair in pairs.tolist():
            for file in files[2 * pair : 2 * pair + 2]:
                patch = decode_jpeg(read_file(file), mode=ImageReadMode.RGB)
        out[-1, -1] = patch.permute(1, 2, 0).numpy()

    return {
        "a: bytes in memory, simplejpeg": decoded(patches.__getitem__),
        "b: patch shard": read_store,
        "c: HDF5, variable length, simplejpeg": decoded(vlen.__getitem__),
        "d: HDF5, raw, a patch a chunk": read_raw,
        "e: folder of JPEGs, torchvision": read_files,
    }


def _write_shards(folder: Path, patches: list[bytes]) -> list[Path]:
    paths = [folder / f"{index}.h5" for index in range(SHARDS)]
    couples = zip(patches[::2], patches[1::2], strict=True)
    pairs = [Pair("video", (0, 30), np.zeros((2, 4)), 0.0, *couple) for couple in couples]
    for index, path in enumerate(paths):
        write_shard(path, pairs[index::SHARDS], size=SIDE, quality=QUALITY)
    return paths


def _write_hdf5(path: Path, patches: list[bytes]) -> Path:
    with h5py.File(path, "w", libver="latest") as file:
        vlen = file.create_dataset("vlen", len(patches), h5py.vlen_dtype(np.uint8))
        raw = file.create_dataset("raw", (len(patches), SIDE, SIDE, 3), np.uint8, chunks=(1, SIDE, SIDE, 3))
        for index, patch in enumerate(patches):
            vlen[index], raw[index] = np.frombuffer(patch, np.uint8), simplejpeg.decode_jpeg(patch)
    return path


def _rounds(readers: dict[str, Read]) -> dict[str, np.ndarray]:
    """Patches/s of each peer in each round."""
    rng, out = np.random.default_rng(1), np.zeros((BATCH, 2, SIDE, SIDE, 3), np.uint8)
    names = list(readers)
    expected = out.copy()
    readers[names[0]](np.arange(BATCH), expected)
    for name in names:
        for start in reversed(range(0, PAIRS, BATCH)):  # touch everything once
            readers[name](np.arange(start, start + BATCH), out)
        if not np.array_equal(out[-1, -1], expected[-1, -1]):
            raise AssertionError(f"{name}: other pixels than the first source's")
    speeds = {name: [] for name in names}
    for turn in range(ROUNDS):
        pairs = rng.permutation(PAIRS)[: BATCHES * BATCH].reshape(BATCHES, BATCH)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter()
            for batch in pairs:
                readers[name](batch, out)
            speeds[name].append(2 * pairs.size / (time.perf_counter() - start))
    return {name: np.array(values) for name, values in speeds.items()}


def _print_speeds(speeds: dict[str, np.ndarray]) -> None:
    ceiling = next(iter(speeds.values()))
    print("| source | patches/s | of a |\n|---|---|---|")
    for name, values in speeds.items():
        low, middle, high = np.quantile(values / ceiling, (0.25, 0.5, 0.75))
        print(f"| {name} | {np.median(values):,.0f} | {middle:.3f} ({low:.3f} to {high:.3f}) |")
    print(f"\nMedian of {ROUNDS} rounds of {2 * BATCH * BATCHES} patches (and quartiles). Goal of b: 0.95 or more.\n")


def _write_sparse(path: Path, shard: int) -> Path:
    """A shard of the paper's size, of whose patches only the last pair takes room on disk."""
    patch = encode(np.full((SIDE, SIDE, 3), 128, np.uint8), QUALITY)
    offsets = np.arange(2 * PAPER_PAIRS + 1) * PAPER_BYTES
    offsets[-2:] = offsets[-3] + len(patch) * np.array([1, 2])
    with h5py.File(path, "w", libver="latest") as file:
        file["video_ids"] = np.array([f"{shard:05d}-{index:05d}" for index in range(PAPER_VIDEOS)], h5py.string_dtype())
        file["video"] = np.repeat(np.arange(PAPER_VIDEOS, dtype=np.int32), PAPER_PAIRS // PAPER_VIDEOS)
        file["frames"] = np.zeros((PAPER_PAIRS, 2), np.int64)
        file["boxes"] = np.zeros((PAPER_PAIRS, 2, 4), np.float32)
        file["scores"] = np.zeros(PAPER_PAIRS, np.float32)
        file["crc32"] = np.zeros(2 * PAPER_PAIRS, np.uint32)
        file["offsets"] = offsets
        jpeg = file.create_dataset("jpeg", (offsets[-1],), np.uint8)
        jpeg[offsets[-3] :] = np.frombuffer(2 * patch, np.uint8)
        file.attrs.update({"format_version": 1, "pairs": PAPER_PAIRS, "size": SIDE, "quality": QUALITY})
    return path


def _opening(shards: list[Path]) -> tuple[np.ndarray, dict[str, float]]:
    """What a training does before its first batch: seconds (repetition, step, by the clock or of the CPU), and MiB."""
    seconds = np.empty((5, len(STEPS), 2))
    memory = {"after the imports": _peak_memory()}
    for repetition in range(len(seconds)):
        times = [_clocks()]
        subset = Subset(shards)
        times.append(_clocks())
        check_pairs(subset, SIDE)
        times.append(_clocks())
        SpreadOrder(subset.video_of_pair, seed=1, count=BATCH).batch(0)
        seconds[repetition] = np.diff([*times, _clocks()], axis=0)
        memory.setdefault("after opening", _peak_memory())
    out = np.zeros((BATCH, 2, SIDE, SIDE, 3), np.uint8)
    last = np.arange(1, PAPER_SHARDS + 1) * PAPER_PAIRS - 1
    for start in range(0, PAPER_SHARDS, BATCH):
        subset.pairs(last[start : start + BATCH], out=out)
    memory["after a pair of every shard"] = _peak_memory()
    return seconds, memory


def _peak_memory() -> float:
    """Largest resident memory of this process so far, MiB."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _print_opening(seconds: np.ndarray, memory: dict[str, float]) -> None:
    patches = 2 * PAPER_PAIRS * PAPER_SHARDS
    print(f"| {patches:,} patches in {PAPER_SHARDS:,} sparse shards | seconds | of the CPU |\n|---|---|---|")
    rows = np.concatenate([seconds, seconds.sum(1, keepdims=True)], 1)
    for name, (clock, cpu) in zip((*STEPS, "sum"), np.median(rows, 0), strict=True):
        print(f"| {name} | {clock:.2f} | {cpu:.2f} |")
    peaks = ", ".join(f"{name} {value:.0f}" for name, value in memory.items())
    print(f"\nMedian of {len(seconds)}. Peak resident memory, MiB: {peaks}. Goals: 1 second, 1,024 MiB.")


if __name__ == "__main__":
    main()
