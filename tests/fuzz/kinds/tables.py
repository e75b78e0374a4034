"""Lists, manifests and tables as text: what people write, and what one stage leaves for the next."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import simplejpeg
from worlds.pairs import SIDE, smooth_patch

from fuzz.mutations import TEXT
from tracklearn.detection.submission import read_scores
from tracklearn.mining.tables import FRAMES, TRACKS, write_table
from tracklearn.mining.tracking.kcf import track_shard
from tracklearn.patches.packing import pack_shard
from tracklearn.patches.pairs_list import read_shard_lines, shard_starts
from tracklearn.patches.published import import_pairs
from tracklearn.patches.store import PatchStore
from tracklearn.patches.writing import encode
from tracklearn.scenes.split import read_list as read_photo_list
from tracklearn.tables.cells import read_cell, write_figures
from tracklearn.training.log import Log
from tracklearn.videos.build_list import build_list
from tracklearn.videos.lists import identity, plan_shards, read_list, repeats
from tracklearn.videos.manifest import ManifestRow, read_manifest, write_manifest
from tracklearn.voc.image_sets import read_image_set

EDITS = {suffix: list(TEXT) for suffix in (".tsv", ".csv", ".txt", ".json")}
FRAME, BOX = {"height": 48, "width": 64}, 16


def write_samples(folder: Path) -> None:
    (folder / "videos.tsv").write_text(
        "video_id\tsource\nant\tclips/ant.mp4\nbee\thttps://example.org/bee?token=x\nabcdefghijk\tabcdefghijk\n"
    )
    (folder / "ids.csv").write_text('youtube_id,label\nabcdefghijk,"a, b"\nhttps://youtu.be/ABCDEFGHIJK,c\n')
    (folder / "keywords.txt").write_text("# words\ndog\ncat café\n")
    rows = [
        ManifestRow("ant", "ant.mp4", "ant.mp4", "ok", "", 100, "0" * 64, 60, 25.0, 64, 48, 2.4),
        ManifestRow("bee", "bee", reason="HTTP 404"),
    ]
    write_manifest(folder / "manifest.tsv", rows)
    accepted = {"video_id": "ant", "frame": 3, "x": 5, "y": 6, "verdict": "accepted", "fraction": 0.5}
    rejected = {"video_id": "ant", "frame": 18, "verdict": "rejected", "reason": "noise"}
    write_table(folder / "frames.csv", FRAMES, [accepted, rejected])
    tracked = {"video_id": "ant", "frame": 3, "x": 5, "y": 6, "w": BOX, "h": BOX, "last_frame": 33, "tracked_x": 9}
    tracked |= {"tracked_y": 9, "tracked_w": BOX, "tracked_h": BOX, "score": 0.5, "status": "tracked"}
    write_table(folder / "tracks.csv", TRACKS, [tracked, tracked | {"frame": 5, "status": "lost", "reason": "x"}])
    for parent in ("VOC2012/ImageSets/Main", "VOC2012/JPEGImages", "photos/kitchen", "patches"):
        (folder / parent).mkdir(parents=True)
    (folder / "VOC2012/ImageSets/Main/train.txt").write_text("a 1\nb -1\nc 0\n")
    (folder / "scenes.txt").write_text("kitchen/a.jpg\nkitchen/b.jpg\n")
    for name in "ab":
        (folder / f"photos/kitchen/{name}.jpg").write_bytes(simplejpeg.encode_jpeg(smooth_patch(1)))
    (folder / "scores.txt").write_text("row class value\nunsup cat 47.4\nunsup, dog, 12\n")
    for name in "0123":
        (folder / f"patches/{name}.jpg").write_bytes(encode(smooth_patch(int(name)), 95))
    (folder / "pairs.txt").write_text("0.jpg ant\n1.jpg ant\n2.jpg bee\n3.jpg bee\n")
    log = Log(folder / "log.csv")
    for iteration in (20, 40):
        log.write(iteration, {"loss": 0.5, "lr": 0.001})
    draws = {"mean": np.arange(10.0)}
    write_figures(folder / "cell.json", folder / "draws.npz", values={"mean": 4.5}, draws=draws, row="unsup")


READERS: dict[str, Callable[[], None]] = {}


def reader(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register the reader of a sample."""
    return lambda function: READERS.setdefault(name, function)


def mutated(folder: Path) -> list[str]:
    return sorted(READERS)


def read(folder: Path, name: str) -> None:
    READERS[name]()


@reader("videos.tsv")
def _videos() -> None:
    videos = read_list("videos.tsv")
    ids = [video.video_id for video in videos]
    assert len(ids) == len(set(ids))
    for video in videos:
        assert "/" not in video.video_id and video.video_id.isprintable() and not video.video_id.startswith(".")
        assert video.source and "\n" not in video.source
        identity(video.source)
    assert set(repeats(videos)) <= set(ids)
    assert sum(map(len, plan_shards(videos, [], 2).values())) == len(videos)


@reader("ids.csv")
def _ids() -> None:
    build_list(out="out.tsv", ids_file="ids.csv", column="youtube_id", print_line=lambda line: None)
    assert len(read_list("out.tsv")) >= 1


@reader("keywords.txt")
def _keywords() -> None:
    build_list(
        out="out.tsv", keywords_file="keywords.txt", search=lambda *_: ["abcdefghijk"], print_line=lambda line: None
    )
    if Path("out.tsv").exists():
        assert len(read_list("out.tsv")) == 1


@reader("manifest.tsv")
def _manifest() -> None:
    for row in read_manifest("manifest.tsv"):
        assert row.frames >= 0 and row.width >= 0 and row.height >= 0 and row.bytes >= 0
        assert np.isfinite([row.fps, row.duration]).all()


@reader("frames.csv")
def _frames() -> None:
    counts = track_shard(
        manifest="manifest.tsv", frames_table="frames.csv", tracks_table="out.csv", box=BOX, frame=FRAME, tracking={}
    )
    assert counts["tracked"] == 0  # the video is not there


@reader("tracks.csv")
def _tracks() -> None:
    counts = pack_shard(
        manifest="manifest.tsv",
        tracks_table="tracks.csv",
        store="out.h5",
        summary="out.json",
        frame=FRAME,
        packing={"size": SIDE},
    )
    assert counts["pairs"] == len(PatchStore("out.h5")) == 0


@reader("VOC2012/ImageSets/Main/train.txt")
def _image_set() -> None:
    ids = read_image_set(".", year=2012, image_set="train")
    assert ids and len(ids) == len(set(ids))
    assert all(name and "/" not in name and "\0" not in name and name not in (".", "..") for name in ids)


@reader("scenes.txt")
def _scenes() -> None:
    photos = Path("photos")
    for name in read_photo_list(Path("scenes.txt"), photos):
        assert (photos / name).resolve().is_relative_to(photos.resolve())


@reader("scores.txt")
def _scores() -> None:
    assert all(0 <= score <= 100 for score in read_scores("scores.txt", classes=["cat", "dog"]).values())


@reader("pairs.txt")
def _pairs() -> None:
    for start in shard_starts("pairs.txt", 1):
        read_shard_lines("pairs.txt", start, 1)
    counts = import_pairs(
        folder="patches",
        pairs_list="pairs.txt",
        shard=0,
        pairs_per_shard=10,
        store="out.h5",
        summary="out.json",
        packing={"size": SIDE},
    )
    assert counts["pairs"] == PatchStore("out.h5").verify()


@reader("log.csv")
def _log() -> None:
    assert all(
        isinstance(value, float) for value in Log(Path("log.csv"), Path("log.csv").stat().st_size).last_row().values()
    )


@reader("cell.json")
def _cell() -> None:
    cell = read_cell("cell.json")
    assert cell["value"] is None or np.isfinite(cell["value"])
