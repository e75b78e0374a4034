"""Videos of eight containers: the row of the manifest, the frames in grey and colour, and the resampled timeline."""

from pathlib import Path

import av
import numpy as np

from fuzz.mutations import near
from tracklearn.videos.download import download_shard
from tracklearn.videos.frames import frame_size, probe, read_frames
from tracklearn.videos.manifest import read_manifest
from tracklearn.videos.timeline import timeline

SIZE = 48, 64
CODECS = {
    "mp4": "libx264", "mkv": "libx264", "flv": "libx264", "webm": "libvpx-vp9", "avi": "mpeg4", "ts": "mpeg2video",
    "mpg": "mpeg1video", "wmv": "wmv2", "mov": "mjpeg",
}  # fmt: skip
BOXES = [
    name.encode()
    for name in [
        "moov",
        "mdat",
        "trak",
        "tkhd",
        "mvhd",
        "mdhd",
        "stsd",
        "avcC",
        "stts",
        "ctts",
        "stss",
        "stsz",
        "stsc",
        "stco",
        "elst",
    ]
]
EDITS = {".mp4": [near(*BOXES)], ".mov": [near(*BOXES)], ".avi": [near(b"avih", b"strh", b"strf", b"movi", b"idx1")]}


def write_samples(folder: Path) -> None:
    rng = np.random.default_rng(3)
    images = [rng.integers(0, 256, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1) for _ in range(20)]
    for suffix, codec in CODECS.items():
        pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        with av.open(str(folder / f"clip.{suffix}"), "w") as container:
            stream = container.add_stream(codec, rate=25, options={"g": "8", "threads": "1"})
            stream.height, stream.width, stream.pix_fmt = *SIZE, pixels
            for image in images:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
            container.mux(stream.encode())


def mutated(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("clip.*"))


def read(folder: Path, name: str) -> None:
    counts = download_shard(videos=[("clip", name)], directory="downloads", manifest="manifest.tsv")
    (row,) = read_manifest("manifest.tsv")
    assert counts["videos"] == 1 and row.status in ("ok", "failed")
    assert row.ok or row.reason
    if not row.ok:
        return
    assert row.frames >= 1 and row.width >= 1 and row.height >= 1 and row.rotation in (0, 90, 180, 270)
    assert np.isfinite([row.fps, row.duration]).all() and row.fps > 0 and row.duration >= 0
    found = probe(name)
    for colour in (False, True):
        last = -1
        for index, image in read_frames(name, size=SIZE, colour=colour):
            assert last < index < row.frames
            assert image.shape[:2] == frame_size(found, SIZE) and image.dtype == np.uint8
            last = index
    indices = timeline(name, 5.0)
    assert indices == sorted(set(indices)) and all(0 <= index < row.frames for index in indices)
    sampled = [index for index, _ in read_frames(name, size=SIZE, indices=indices[::2])]
    assert set(sampled) <= set(indices[::2])
