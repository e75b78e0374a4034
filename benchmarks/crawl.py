"""What does an address of a crawl cost, and does the memory of a crawl stay flat?

    python -m benchmarks.crawl 100000     addresses; 10,000 by default

One job downloads from lying servers on 127.0.0.1, which run in a process of their own. Five of eight addresses hold
a small video, some of them behind a redirection. The others are dead, forbidden, empty or web pages. A few break off,
are reset, state a wrong length, ask for a rest of a second or two, or stall or drip until their time is over. The
counts of the server are checked: each file is asked for its type and then downloaded once, and a host that rests is
left alone.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import av
import numpy as np
import psutil

from tracklearn.videos.download import download_shard, retry_shard
from tracklearn.videos.manifest import read_manifest

ADDRESSES, THREADS = 10_000, 2
RARE = {
    "busy": 200,
    "dated": 200,
    "stalls": 1000,
    "drips": 1000,
}  # the largest number of each: one in so many, 20 at most
MOST_RARE = 20
KINDS = ("fine",) * 8 + ("gone",) * 3 + ("redirects", "redirects", "html", "forbidden", "nothing")
ROUGH = ("drops", "resets", "longer")  # one address in 150 each
ASKED = {"fine": 2, "gone": 1, "forbidden": 1, "busy": 3, "dated": 3}  # requests for an address
STATUS = {"fine": "ok", "redirects": "ok", "drops": "ok", "resets": "ok", "busy": "ok", "dated": "ok"} | dict.fromkeys(
    ("longer", "stalls", "drips"), "unreachable"
)
SERVER = """
import json, sys, threading
from pathlib import Path
from tests.worlds.hosts import Host
hosts = [Host(Path(sys.argv[1]).read_bytes()) for _ in range(3)]
for host in hosts:
    threading.Thread(target=host.serve_forever, daemon=True).start()
print(json.dumps([host.server_port for host in hosts]), flush=True)
for line in sys.stdin:
    print(json.dumps([{"asked": host.asked, "early": host.early} for host in hosts]), flush=True)
    [host.asked.clear() for host in hosts]
"""


def main() -> None:
    """Print a table of Markdown."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ADDRESSES
    os.environ["NO_PROXY"] = "127.0.0.1"
    with tempfile.TemporaryDirectory() as name:
        print("\n".join(_measure(count, Path(name))))


def _measure(count: int, folder: Path) -> list[str]:
    _write_clip(folder / "clip.mp4")
    command = [sys.executable, "-c", SERVER, str(folder / "clip.mp4")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin
        assert server.stdout
        ports = json.loads(server.stdout.readline())

        def asked() -> list[dict]:
            print("asked", file=server.stdin, flush=True)
            return json.loads(server.stdout.readline())

        kinds = _kinds(count)
        # Hosts that ask for rests have ports of their own: the other addresses do not wait for them.
        place = {"busy": 1, "dated": 2}
        videos = [
            [video, f"http://127.0.0.1:{ports[place.get(kind, 0)]}/{kind}/{video}.mp4"] for video, kind in kinds.items()
        ]
        shard = {"manifest": folder / "m.tsv", "directory": folder / "videos", "threads": THREADS}
        limits = {"timeout": 20.0, "retries": 1}
        start, before, memory = time.monotonic(), _core_seconds(), _Memory()
        totals = download_shard(videos=videos, limits=limits, report=memory.report, **shard)
        seconds, core_seconds = time.monotonic() - start, _core_seconds() - before
        _check(kinds, asked(), folder)
        tried = retry_shard(videos=videos, limits=limits, **shard)["tried"]
        kinds_again = Counter(path.split("/")[1] for host in asked() for path in host["asked"])
        assert set(kinds_again) <= {"longer", "stalls", "drips"}, kinds_again
        server.stdin.close()
    return [
        f"| a crawl of {count:,} addresses, {THREADS} downloads at once | |",
        "|---|---|",
        f"| videos, unreachable, refused | {totals['ok']:,}, {totals['unreachable']:,}, {totals['failed']:,} |",
        f"| seconds, addresses a second | {seconds:,.0f}, {count / seconds:.1f} |",
        f"| core-ms an address, probing included, the server's aside | {1000 * core_seconds / count:.1f} |",
        f"| MiB of the job at 10%, 50%, 100% | {memory.at(0.1)}, {memory.at(0.5)}, {memory.at(1.0)} |",
        f"| MiB of its workers at 10%, 50%, 100% | {memory.at(0.1, 1)}, {memory.at(0.5, 1)}, {memory.at(1.0, 1)} |",
        f"| tried again by retry_unreachable, and nothing else asked for | {tried:,.0f} |",
    ]


def _kinds(count: int) -> dict[str, str]:
    kinds = {}
    for number in range(count):
        block, place = divmod(number, 50)
        rough = place == block % len(ROUGH)
        kinds[f"v{number:06d}"] = ROUGH[place] if rough else KINDS[number % len(KINDS)]
    names = list(kinds)
    for offset, (kind, every) in enumerate(RARE.items()):
        wanted = min(MOST_RARE, count // every)
        for index in range(wanted):
            kinds[names[index * (count // wanted) + 7 * offset + 11]] = kind
    return kinds


def _check(kinds: dict[str, str], hosts: list[dict], folder: Path) -> None:
    rows = read_manifest(folder / "m.tsv")
    wrong = [row for row in rows if row.status != STATUS.get(kinds[row.video_id], "failed")]
    assert not wrong, (len(wrong), wrong[:5])
    asked = Counter()
    for host in hosts:
        asked.update({path.split("/")[2].removesuffix(".mp4"): count for path, count in host["asked"].items()})
    found = {video: (kind, asked[video]) for video, kind in kinds.items() if kind in ASKED}
    bad = {video: seen for video, seen in found.items() if seen[1] != ASKED[seen[0]]}
    assert not bad, list(bad.items())[:5]
    # The addresses of a host that rests are at least 200 apart. No other download meets a rest, so that only the
    # address that was refused could be asked for too early.
    assert not any(host["early"] for host in hosts), [host["early"] for host in hosts]


class _Memory:
    """Resident memory of this process and of its workers, once a percent of the videos."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, int]] = {}

    def report(self, step: int, values: dict[str, float]) -> None:
        percent = int(100 * step / values["videos"])
        if percent not in self._seen:
            me = psutil.Process()
            workers = [child for child in me.children() if "tracklearn.videos.fetch" in " ".join(child.cmdline())]
            sizes = me.memory_info().rss, sum(child.memory_info().rss for child in workers)
            self._seen[percent] = tuple(size >> 20 for size in sizes)
            if percent % 10 == 0:
                print(percent, "%", *self._seen[percent], "MiB", file=sys.stderr, flush=True)

    def at(self, share: float, process: int = 0) -> int:
        return self._seen[int(100 * share)][process]


def _core_seconds() -> float:
    """Processor time of this process and of the workers that have ended; the server still runs."""
    times = os.times()
    return sum(times[:4])


def _write_clip(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for index in range(50):
            frame = np.full((96, 128, 3), 5 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
