"""Does filtering stay under 1 GiB, and does its memory grow with a video's length?

A short 1080p film is encoded once and its packets repeated, so that hours of video take seconds to make. Each length is
filtered in a process of its own, whose peak memory Linux tells. Three hours are looked at every 600 frames only, which
costs a minute: the table of packets, which could grow, is whole.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import av
import cv2
import numpy as np

SECONDS, RATE = 2, 30
MEASURED = """
import sys
from tracklearn.mining.query_patch import filter_shard
from tracklearn.videos.manifest import Row, write_manifest
video, every = sys.argv[1:]
write_manifest(video + ".tsv", [Row("long", "", video, "ok")])
found = filter_shard(manifest=video + ".tsv", frames_table=video + ".csv", every=int(every))
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(found["candidates"]), int(peak.split()[1]) / 1024)
"""


def main() -> None:
    """Print the peak memory of filtering one minute, four minutes and three hours of 1080p."""
    print(f"{'video':>8} {'every':>6} {'candidates':>10} {'peak MiB':>9}")
    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder, "short.mp4")
        _film(short)
        for minutes, every in ((1, 30), (4, 30), (60, 600), (180, 600)):
            video = Path(folder, f"{minutes}.mp4")
            _repeated(short, video, 60 * minutes // SECONDS)
            command = [sys.executable, "-c", MEASURED, str(video), str(every)]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            candidates, peak = run.stdout.split()[-2:]
            print(f"{minutes:4d} min {every:6d} {candidates:>10} {float(peak):9.0f}", flush=True)
            video.unlink()


def _film(path: Path) -> None:
    """Two seconds of a textured square before a textured ground, 1920 x 1080."""
    noise = np.random.default_rng(0)
    ground, square = (
        cv2.resize(noise.integers(0, 256, (side // 32, side // 32, 3), np.uint8), (side, side)) for side in (1920, 512)
    )
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "38", "g": "30"})
        stream.height, stream.width, stream.pix_fmt = 1080, 1920, "yuv420p"
        for index in range(SECONDS * RATE):
            image = ground[:1080].copy()
            image[200 : 200 + 512, 300 + 5 * index : 300 + 5 * index + 512] = square
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


def _repeated(short: Path, path: Path, times: int) -> None:
    """A video of the same packets again and again."""
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
