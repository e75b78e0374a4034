"""Does mining stay under 1 GiB, and does its memory grow with a video's length?

A short 1080p film is encoded once and its packets are repeated, so hours of video take seconds to make. Each rule runs
on each length in a process of its own. Its peak memory is that of this process and that of the process that works on
the video, as Linux reports them, so what they share counts twice. One hour and three hours have as many candidates as
four minutes, and as many pairs are tracked and packed as one video may give. The table of packets and the list of
frames grow with the length as they do in real videos. The rows of the candidates, which are held until a video is done,
do not: at one frame in 30, three hours have 10,800 rows (5 MiB), here 240. Pairs that repeat are kept; otherwise all
but the first ones would be dropped.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import cv2
import numpy as np

from tracklearn.settings.mining import Filtering
from tracklearn.videos.manifest import ManifestRow, write_manifest

SECONDS, RATE = 2, 30
LENGTHS = ((1, 30), (4, 30), (60, 450), (180, 1350))  # minutes, frames between two candidates
RULES = {  # function and its files
    "filter": ("tracklearn.mining.filtering.filter_shard", ("manifest", "frames_table")),
    "track": ("tracklearn.mining.tracking.kcf.track_shard", ("manifest", "frames_table", "tracks_table")),
    "pack": ("tracklearn.patches.packing.pack_shard", ("manifest", "tracks_table", "store", "summary")),
}
MEASURED = """
import importlib, json, resource, sys
module, _, function = sys.argv[1].rpartition(".")
found = getattr(importlib.import_module(module), function)(**json.loads(sys.argv[2]))
own = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
peak = int(own.split()[1]) + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps(found | {"MiB": peak / 1024}))
"""


def main() -> None:
    """Print the peak memory of each rule on one minute, four minutes, an hour and three hours of 1080p."""
    print(f"{'video':>8} {'every':>6} {'candidates':>10} {'tracked':>8} {'pairs':>6}   peak MiB of {', '.join(RULES)}")
    with tempfile.TemporaryDirectory() as folder:
        short, video = Path(folder, "short.mp4"), Path(folder, "video.mp4")
        _film(short)
        for minutes, every in LENGTHS:
            _repeated(short, video, 60 * minutes // SECONDS)
            found = _mined(video, every)
            counts = [
                int(found[rule][name]) for rule, name in zip(RULES, ("candidates", "tracked", "pairs"), strict=True)
            ]
            peaks = "".join(f"{found[rule]['MiB']:6.0f}" for rule in RULES)
            print(f"{minutes:4d} min {every:6d} {counts[0]:10d} {counts[1]:8d} {counts[2]:6d}   {peaks}", flush=True)


def _mined(video: Path, every: int) -> dict[str, dict[str, float]]:
    """The metrics of each rule on a video, and its peak memory, "MiB"."""
    write_manifest(video.with_suffix(".manifest"), [ManifestRow("long", "", str(video), "ok")])
    arguments = {
        "filter": {"filtering": {"every": every}},
        "track": {"box": Filtering.read().box},
        "pack": {"packing": {"duplicate_bits": None}},
    }
    found = {}
    for rule, (function, files) in RULES.items():
        paths = {name: str(video.with_suffix(f".{name}")) for name in files}
        command = [sys.executable, "-c", MEASURED, function, json.dumps(paths | arguments[rule])]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[rule] = json.loads(run.stdout.splitlines()[-1])
    return found


def _film(path: Path) -> None:
    """Two seconds of a textured square that moves over a textured background, 1920 x 1080."""
    rng = np.random.default_rng(0)
    background, square = (
        cv2.resize(rng.integers(0, 256, (side // 32, side // 32, 3), np.uint8), (side, side)) for side in (1920, 512)
    )
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "38", "g": "30"})
        stream.height, stream.width, stream.pix_fmt = 1080, 1920, "yuv420p"
        for index in range(SECONDS * RATE):
            image = background[:1080].copy()
            image[200 : 200 + 512, 300 + 5 * index : 300 + 5 * index + 512] = square
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


def _repeated(short: Path, path: Path, times: int) -> None:
    """Write a video that repeats the packets of a short one `times` times."""
    with av.open(str(short)) as given, av.open(str(path), "w") as out:
        source = given.streams.video[0]
        packets = [packet for packet in given.demux(source) if packet.size]
        stream = out.add_stream_from_template(source)
        assert source.time_base is not None
        span = round(SECONDS / source.time_base)
        for turn in range(times):
            for packet in packets:
                copy = av.Packet(bytes(packet))
                copy.stream, copy.time_base, copy.is_keyframe = stream, source.time_base, packet.is_keyframe
                assert packet.pts is not None
                assert packet.dts is not None
                copy.pts, copy.dts = packet.pts + turn * span, packet.dts + turn * span
                out.mux(copy)


if __name__ == "__main__":
    main()
