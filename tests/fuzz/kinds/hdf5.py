"""HDF5: shards of patches, files of features, NYUv2, given normals, true normals."""

import io
from pathlib import Path
from random import Random

import h5py
import numpy as np
import pyarrow.parquet as pq
from worlds.pairs import SIDE, some_pairs

from tracklearn.errors import one_line
from tracklearn.features import store
from tracklearn.features.store import StoredFeatures
from tracklearn.normals.given import GivenNormals
from tracklearn.normals.nyuv2 import Nyuv2
from tracklearn.normals.nyuv2_writing import Frame, write_nyuv2
from tracklearn.normals.true_normals import write_truth
from tracklearn.normals.truth import Truth
from tracklearn.patches.index import write_index
from tracklearn.patches.store import PatchStore
from tracklearn.patches.webdataset import write_tars
from tracklearn.patches.writing import write_shard

PAIRS, IMAGES, HEIGHT, WIDTH = 6, 4, 24, 32
SHAPES = ((), (0,), (1,), (3, 2), (2**20,), (2**40,), (2**31, 4), (2**50, 2, 4))


def another_dataset(data: bytes, rng: Random) -> bytes:
    """A dataset or an attribute of another shape or type, a group in its place, a link, or nothing."""
    file = io.BytesIO(data)
    try:
        with h5py.File(file, "r+") as opened:
            name = rng.choice(sorted(opened))
            old, how = opened[name], rng.choice(("shape", "shape", "type", "group", "none", "link", "attribute", "row"))
            if how == "attribute":
                attributes = old.attrs if len(old.attrs) else opened.attrs
                key = rng.choice([*attributes, "format_version"])
                attributes[key] = rng.choice((-1, 0, 2**40, 2.5, "text", [1, 2], np.float64("nan")))
                return file.getvalue()
            values, shape, dtype = old[:], old.shape, old.dtype
            del opened[name]
            if how == "shape":
                shape = rng.choice((*SHAPES, (*shape[:-1], 2**40), (2**40, *shape[1:]), (shape[0] + 1, *shape[1:])))
                chunks = tuple(min(length, 4) or 1 for length in shape) if shape and rng.random() < 0.7 else None
                opened.create_dataset(name, shape, dtype, chunks=chunks)
            elif how == "type":
                numbers = values if dtype.kind in "iufb" else np.arange(len(values))
                opened[name] = numbers.astype(rng.choice(("f8", "i1", "u8", "c8", "S3", "f2")))
            elif how == "row":
                numbers = np.array(values)
                if numbers.size and dtype.kind in "iuf":
                    extreme = (
                        rng.choice((-1, 0, 2**31, 2**62)) if dtype.kind in "iu" else rng.choice((-1, np.nan, np.inf))
                    )
                    numbers.flat[rng.randrange(numbers.size)] = np.array([extreme]).astype(dtype)[0]
                opened[name] = numbers
            elif how == "group":
                opened.create_group(name)
            elif how == "link":
                opened[name] = rng.choice(
                    (h5py.ExternalLink("other.h5", "/x"), h5py.SoftLink(f"/{name}"), h5py.SoftLink("/"))
                )
    except Exception:  # the file was damaged by a mutation before
        return data
    return file.getvalue()


EDITS = {".h5": [another_dataset], ".mat": [another_dataset]}


def write_samples(folder: Path) -> None:
    rng = np.random.default_rng(6)
    write_shard(folder / "00000.h5", some_pairs(PAIRS), size=SIDE, quality=95)
    boxes = [np.array([[0, 0, 9, 9], [1, 2, 5, 6]], np.float32)] * 3
    with h5py.File(folder / "features.h5", "w") as file:
        features = store.create(
            file, ids=["a", "b", "c"], boxes=boxes, ground_truth=[1, 0, 2], width=8, attrs={"weights": "w"}
        )
        features[:] = rng.random((6, 8))
    photos = rng.integers(0, 256, (IMAGES, HEIGHT, WIDTH, 3), np.uint8)
    across, down = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    depths = [(2 + slope * across / WIDTH + down / HEIGHT / 2).astype(np.float32) for slope in range(IMAGES)]
    frames = (Frame(photo, depth, depth) for photo, depth in zip(photos, depths, strict=True))
    write_nyuv2(folder / "nyu.mat", frames, IMAGES)
    write_truth(folder / "nyu.mat", folder / "truth.h5", {"nyuv2": "x"})
    with Truth(folder / "truth.h5") as truth, h5py.File(folder / "given.h5", "w") as file:
        file["norms"] = np.stack([truth[image] for image in range(IMAGES)])


def mutated(folder: Path) -> list[str]:
    """Shards of patches twice as often as others."""
    return ["00000.h5", "00000.h5", "features.h5", "given.h5", "nyu.mat", "truth.h5"]


def read(folder: Path, name: str) -> None:
    {"00000.h5": _shard, "features.h5": _features, "given.h5": _given, "nyu.mat": _nyu, "truth.h5": _truth}[name]()


def _shard() -> None:
    patches = PatchStore("00000.h5")
    Path("shards").mkdir()
    Path("00000.h5").rename("shards/00000.h5")
    patches = PatchStore("shards/00000.h5")
    errors: list[Exception] = []
    # A training reads pairs without their checksums.
    for work in (_decode, PatchStore.verify, _index, _tars):
        try:
            work(patches)
        except Exception as error:  # each of the readers must refuse in one line
            errors.append(error)
    if errors:
        raise next((error for error in errors if isinstance(error, MemoryError) or not one_line(error)), errors[0])


def _decode(patches: PatchStore) -> None:
    for index in range(min(len(patches), 100)):
        patches.read_ahead(index)
        query, tracked = patches.pair(index)
        assert query.shape == tracked.shape == (patches.size, patches.size, 3)


def _index(patches: PatchStore) -> None:
    write_index(stores=[patches.path], manifests=[], index="pairs.parquet")
    assert pq.read_metadata("pairs.parquet").num_rows == len(patches)


def _tars(patches: PatchStore) -> None:
    assert write_tars("shards", "tars") == {"shards": 1, "pairs": len(patches)}
    original = list(some_pairs(PAIRS))  # what has the right checksums has the right patches
    assert len(patches) == PAIRS
    for index, pair in enumerate(original):
        for patch, wanted in zip(patches.pair(index), (pair.query, pair.tracked), strict=True):
            assert np.abs(patch.astype(int) - wanted).mean() < 8


def _features() -> None:
    features = StoredFeatures(["features.h5"])
    for windows in features.windows():
        assert windows.features.shape == (len(windows.boxes), sum(features.widths))
        assert windows.boxes.shape[1:] == (4,) and len(windows.is_gt) == len(windows.boxes)
        assert np.isfinite(windows.features).all() and np.isfinite(windows.boxes).all()


def _given() -> None:
    normals = GivenNormals("given.h5", (IMAGES, HEIGHT, WIDTH), "x y z")
    for image in range(IMAGES):
        _check_normals(normals[image])


def _nyu() -> None:
    with Nyuv2("nyu.mat") as photos:
        height, width = photos.camera.height, photos.camera.width
        for image in range(min(len(photos), 10)):
            assert photos.photo(image).shape == (height, width, 3)
            depth = photos.depth(image)
            assert depth.shape == photos.measured(image).shape == (height, width) and np.isfinite(depth).all()
    write_truth("nyu.mat", "written.h5", {"nyuv2": "x"})
    with Truth("written.h5") as truth:
        _check_normals(truth[0])


def _truth() -> None:
    with Truth("truth.h5") as truth:
        for image in range(min(len(truth), 10)):
            assert truth[image].shape == (*truth.size, 3)
            _check_normals(truth[image])


def _check_normals(normals: np.ndarray) -> None:
    length = np.linalg.norm(normals, axis=-1)
    assert np.isfinite(normals).all() and (np.isclose(length, 1, atol=1e-3) | (length == 0)).all()
