"""The cost of a mined pair, beside a plain chain of libraries and beside decoding alone; and are the pairs the same?

The plain chain is what a script would do with libraries: OpenCV's VideoCapture and INTER_AREA, mahotas' SURF,
Farneback's flow before and after the camera's motion is removed, and OpenCV's KCF at full scale. "Ours" are the three
rules of the workflow; as in the workflow, each reads the video itself, with empty caches. The floor decodes every frame
once and resizes its luma.

The unit is core-milliseconds (processor time) on one thread, on the held-out clips of `benchmarks.clips`. Clip by clip
it runs decoding, ours, the plain chain, decoding and ours again, so that a machine whose speed changes is equally fast
for all. The plain chain judges one frame in 10; the costs of larger distances follow from the frames that both share.
With the paper's box of 227 pixels its tracker takes seconds a pair, so with that box it is timed only on the first
query of each clip.

The rules work on videos in processes of their own, which can be ended when a decoder hangs. What these cost is measured
on a shard of all clips, which both ways mine in turn. All other figures are those of one process, since they come from
shards of one clip, for each of which three processes would start.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mahotas.features import surf

from benchmarks.clips import WEB_CLIPS, bootstrap, web_clips
from benchmarks.tracking import table
from tracklearn.machine.threads import one_opencv_thread
from tracklearn.mining import filtering
from tracklearn.mining.fast_hessian import fast_hessian
from tracklearn.mining.filtering import filter_shard
from tracklearn.mining.motion import compensated_flow
from tracklearn.mining.query_box import best_box
from tracklearn.mining.tables import FRAMES, read_table
from tracklearn.mining.tracking import kcf
from tracklearn.mining.tracking.kcf import track_shard
from tracklearn.patches import packing
from tracklearn.patches.packing import pack_shard
from tracklearn.settings.mining import Filtering, Frame, Tracking
from tracklearn.videos.frames import _probe, read_frames
from tracklearn.videos.manifest import ManifestRow, write_manifest
from tracklearn.videos.packets import _packet_table

FILTERING, TRACKED_FRAMES = Filtering.read(), Tracking.read().frames
SIZE = (Frame.read().height, Frame.read().width)
EVERY = (30, 20, 10)
BOXES = (224, 227)  # the latter is the paper's, a prime number
RULES = ("filter", "track", "pack")
ROUNDS = 2


Key = str | tuple[str | int, ...]


class Clock:
    """Processor seconds by their purpose."""

    def __init__(self) -> None:
        self.seconds: Counter[Key] = Counter()

    @contextmanager
    def __call__(self, *names: Key) -> Iterator[None]:
        start = _processor_time()
        yield
        for name in names:
            self.seconds[name] += _processor_time() - start


def _processor_time() -> float:
    """Seconds of this process and of those that it started and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@contextmanager
def one_process() -> Iterator[None]:
    """In the block, the three rules work on videos in this process."""
    before = filtering.each_video

    def each_video(work: Callable[[ManifestRow], Any], videos: Sequence[ManifestRow], **_: Any) -> Iterator[Any]:
        return ((video, work(video)) for video in videos)

    for module in (filtering, kcf, packing):
        module.each_video = each_video
    try:
        yield
    finally:
        for module in (filtering, kcf, packing):
            module.each_video = before


class Plain:
    """The plain chain over clips: its clock, its pairs, and its verdicts by (clip, frame)."""

    def __init__(self) -> None:
        self.clock, self.verdicts, self.pairs = Clock(), {}, Counter()
        self.queries, self.sampled = Counter(), 0

    def add(self, clip: Path) -> None:
        """Mine one clip."""
        tracks: list[PlainTrack] = []
        sampled = self.sampled
        before: tuple[int, np.ndarray] | None = None
        for index, frame in enumerate(self._frames(clip)):
            for track in tracks:
                with self.clock(*_spans("track", track.start, track.side)):
                    track.lost |= not track.filter.update(frame)[0]
                if index - track.start == TRACKED_FRAMES and track.side == BOXES[0] and not track.lost:
                    self.pairs.update(_spans("pairs", track.start))
            tracks = [track for track in tracks if index - track.start < TRACKED_FRAMES and not track.lost]
            if before is not None and before[0] % EVERY[-1] == 0:
                start, previous = before
                with self.clock(*_spans("filter", start)):
                    corner = _judged(previous, frame)
                self.verdicts[clip.stem, start] = corner is not None
                if corner is not None:
                    tracks += self._tracks(previous, corner, start, timed=self.sampled == sampled)
            before = index, frame

    def _frames(self, clip: Path) -> Iterator[np.ndarray]:
        capture = cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        while True:
            with self.clock("decode"):
                found, frame = capture.read()
                if not found:
                    return
                frame = cv2.resize(frame, SIZE[::-1], interpolation=cv2.INTER_AREA)
            yield frame

    def _tracks(self, frame: np.ndarray, corner: tuple[int, int], start: int, *, timed: bool) -> list["PlainTrack"]:
        """A track with a box of 224 pixels, and for a query that is `timed` one with 227."""
        sides = BOXES if start % EVERY[0] == 0 and timed else BOXES[:1]
        self.sampled += len(sides) - 1
        self.queries.update(_spans("queries", start))
        tracks = [PlainTrack(start, side, cv2.TrackerKCF.create()) for side in sides]
        for track in tracks:
            with self.clock(*_spans("track", start, track.side)):
                track.filter.init(frame, (*corner, track.side, track.side))
        return tracks

    def per_pair(self, every: int, side: int) -> float:
        """Core-milliseconds a pair; every query of 227 pixels counts with the mean cost of those that were timed."""
        seconds = self.clock.seconds
        track = seconds["track", every, BOXES[0]]
        if side == BOXES[1]:
            track = seconds["track", EVERY[0], side] / self.sampled * self.queries["queries", every]
        return 1e3 * (seconds["decode"] + seconds["filter", every] + track) / self.pairs["pairs", every]


@dataclass
class PlainTrack:
    """One query box on its way."""

    start: int
    side: int
    filter: cv2.TrackerKCF
    lost: bool = False


def _judged(previous: np.ndarray, current: np.ndarray) -> tuple[int, int] | None:
    """The corner of the query box, None if the frame is rejected."""
    grey, following = (cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in (previous, current))
    found = surf.interest_points(
        grey, 4, 6, 1, threshold=FILTERING.surf_threshold, max_points=FILTERING.max_points
    ).reshape(-1, 5)
    points = np.ascontiguousarray(found[:, 1::-1], np.float32)
    if len(points) < FILTERING.min_points:
        return None
    motion, _ = compensated_flow(grey, following, points, flow="farneback")
    lengths = np.linalg.norm(motion, axis=1)
    moving = points[lengths > FILTERING.moving_px]
    share = len(moving) / max(1, np.isfinite(lengths).sum())
    return best_box(moving, SIZE, FILTERING.box)[:2] if FILTERING.noise <= share <= FILTERING.camera else None


def _spans(name: str, frame: int, *side: int) -> list[Key]:
    """The keys under which a candidate counts: (name, every), or (name, every, side) for a tracker."""
    return [(name, every, *side) for every in EVERY if frame % every == 0]


class Ours:
    """The three rules over clips: their clock, their pairs, and their verdicts by (clip, frame)."""

    def __init__(self, every: int) -> None:
        self.every, self.clock, self.pairs = every, Clock(), 0

    def add(self, clip: Path, folder: Path) -> None:
        """Mine one clip."""
        manifest, frames_table, tracks_table = (folder / name for name in ("manifest.tsv", "frames.csv", "tracks.csv"))
        write_manifest(manifest, [ManifestRow(clip.stem, "", str(clip), "ok")])
        shard = {"manifest": manifest, "frames_table": frames_table}
        outputs = {"store": folder / "s.h5", "summary": folder / "s.json"}
        with self._rule("filter"):
            filter_shard(**shard, filtering={"every": self.every, "max_pairs_per_video": 10**6})
        with self._rule("track"):
            track_shard(**shard, tracks_table=tracks_table, box=FILTERING.box)
        with self._rule("pack"):
            metrics = pack_shard(manifest=manifest, tracks_table=tracks_table, **outputs)
        self.pairs += int(metrics["pairs"])

    @contextmanager
    def _rule(self, name: str) -> Iterator[None]:
        _empty_caches()
        with self.clock(name):
            yield


def decoding(clip: Path, clock: Clock) -> int:
    """Decode and resize the luma of every frame; returns the number of frames."""
    _empty_caches()
    with clock("decode"):
        return sum(1 for _ in read_frames(clip, size=SIZE))


def in_processes(clips: list[Path]) -> str:
    """A line: what the processes of their own cost, and whether the files of the two ways are the same.

    Each rule runs in a new Python, as a job does, and its time counts after the imports.
    """
    seconds: Counter[tuple[str, str]] = Counter()
    files: dict[str, list[bytes]] = {}
    for _ in range(ROUNDS):
        for way in ("this", "own"):
            with tempfile.TemporaryDirectory() as folder:
                write_manifest(
                    Path(folder, "manifest.tsv"), [ManifestRow(clip.stem, "", str(clip), "ok") for clip in clips]
                )
                for rule in RULES:
                    command = [sys.executable, "-m", "benchmarks.mining", way, rule, folder]
                    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                    seconds[way, rule] += float(run.stdout.splitlines()[-1])
                files[way] = [Path(folder, name).read_bytes() for name in ("frames.csv", "tracks.csv", "s.h5")]
    more = ", ".join(f"{rule} {seconds['own', rule] / seconds['this', rule] - 1:+.1%}" for rule in RULES)
    whole = sum(seconds["own", rule] for rule in RULES) / sum(seconds["this", rule] for rule in RULES) - 1
    same = "the same files" if files["this"] == files["own"] else "OTHER FILES"
    return f"\nin processes of their own {whole:+.1%} ({more}) for a shard of {len(clips)} clips: {same}"


def one_rule(way: str, rule: str, folder: Path) -> float:
    """Run one rule on the manifest of a folder in this process or in one of its own; returns processor seconds."""
    shard = {"manifest": folder / "manifest.tsv"}
    frames, tracks = {"frames_table": folder / "frames.csv"}, {"tracks_table": folder / "tracks.csv"}
    start = _processor_time()
    with one_process() if way == "this" else nullcontext():
        if rule == "filter":
            filter_shard(**shard, **frames, timeout=3600)
        elif rule == "track":
            track_shard(**shard, **frames, **tracks, box=FILTERING.box, timeout=3600)
        else:
            pack_shard(**shard, **tracks, store=folder / "s.h5", summary=folder / "s.json", timeout=3600)
    return _processor_time() - start


def _empty_caches() -> None:
    """Empty the caches of videos, as they are when a rule begins."""
    _probe.cache_clear()
    _packet_table.cache_clear()


def same_points(clips: list[Path]) -> tuple[np.ndarray, Clock]:
    """How far our points are those of mahotas.

    Returns:
        (4,): the share of mahotas' points near one of ours, the share of ours near one of mahotas', and the numbers of
        both, as means over the frames with at least 20 points; and the milliseconds a frame of both.
    """
    rows, clock, frames = [], Clock(), 0
    for clip in clips:
        for _, grey in read_frames(clip, size=SIZE, step=60):
            frames += 1
            with clock("theirs"):
                theirs = surf.interest_points(grey, 4, 6, 1, threshold=FILTERING.surf_threshold, max_points=2048)
            theirs = theirs.reshape(-1, 5)[:, 1::-1]
            with clock("ours"):
                points = fast_hessian(grey, threshold=FILTERING.surf_threshold, max_points=2048)[:, :2]
            if len(theirs) >= 20 and len(points):
                distances = np.linalg.norm(theirs[:, None] - points[None], axis=2)
                near = (distances <= 0.01).any(axis=1).mean(), (distances <= 0.01).any(axis=0).mean()
                rows.append((*near, len(theirs), len(points)))
    for name in clock.seconds:
        clock.seconds[name] *= 1e3 / frames
    return np.mean(rows, axis=0), clock


def filter_verdicts(clips: list[Path], flow: str) -> tuple[dict[tuple[str, int], bool], float]:
    """Our verdicts by (clip, frame) at one candidate in 10 with one flow, and the share that the dense flow decided."""
    with tempfile.TemporaryDirectory() as folder:
        manifest, table = Path(folder, "manifest.tsv"), Path(folder, "frames.csv")
        write_manifest(manifest, [ManifestRow(clip.stem, "", str(clip), "ok") for clip in clips])
        settings = {"every": EVERY[-1], "max_pairs_per_video": 10**6, "flow": flow}
        filter_shard(manifest=manifest, frames_table=table, filtering=settings)
        rows = [row for row in read_table(table, FRAMES) if row["frame"]]
    dense = np.mean([row["flow"] == "farneback" for row in rows])
    return {(row["video_id"], int(row["frame"])): row["verdict"] == "accepted" for row in rows}, float(dense)


def agreement(verdicts: dict[tuple[str, int], bool], others: dict[tuple[str, int], bool]) -> str:
    """The share of frames that both accept or both reject, its interval, and which of the two accepted the others."""
    both = Counter((verdicts[key], others[key]) for key in set(verdicts) & set(others))
    frames = Counter(clip for clip, _ in set(verdicts) & set(others))
    alike = Counter(key[0] for key in set(verdicts) & set(others) if verdicts[key] == others[key])
    counts = np.array([(alike[clip], frames[clip]) for clip in sorted(frames)])  # (clips, 2)
    share, low, high = bootstrap(*counts.T)
    split = f"both {both[True, True]}, the first alone {both[True, False]}, the second alone {both[False, True]}"
    return f"{share:.3f} ({low:.3f} to {high:.3f}) of {both.total()} frames; accepted by {split}"


def selection(clips: list[Path], plain: dict[tuple[str, int], bool]) -> Iterator[str]:
    """Lines of a table in Markdown: whose verdicts agree."""
    verdicts, dense = {}, {}
    for flow in ("hybrid", "lucas-kanade", "farneback"):
        verdicts[flow], dense[flow] = filter_verdicts(clips, flow)
    yield "\n| the same selection | |\n|---|---|"
    for flow in ("hybrid", "lucas-kanade"):
        alike = agreement(verdicts[flow], verdicts["farneback"])
        yield f"| `{flow}` and `farneback` agree, on the same frames and points | {alike} |"
    for flow in ("hybrid", "farneback"):
        alike = agreement(verdicts[flow], plain)
        yield f"| `{flow}` and the plain chain agree, each with its own resizing and points | {alike} |"
    yield f"| frames that the dense flow decides with `hybrid` | {dense['hybrid']:.3f} |"


def main() -> None:
    """Measure, and print the tables."""
    _, clips = web_clips()
    if not clips:
        print(f"no clips in {WEB_CLIPS}: set DATA to a folder with web_clips/")
        return
    plain, floor, frames = Plain(), Clock(), 0
    rounds = [{every: Ours(every) for every in EVERY} for _ in range(ROUNDS)]
    with one_opencv_thread(), one_process(), tempfile.TemporaryDirectory() as folder:
        compiling = Ours(EVERY[-1])
        for clip in clips:
            compiling.add(clip, Path(folder))
            if compiling.pairs:  # now every rule has compiled its code
                break
        for clip in clips:
            for turn, mined in enumerate(rounds):
                frames += decoding(clip, floor)
                for own in mined.values():
                    own.add(clip, Path(folder))
                if not turn:
                    plain.add(clip)
        points, spent = same_points(clips)
    decoded = floor.seconds["decode"] / ROUNDS
    frames //= ROUNDS
    print(f"{len(clips)} clips, {frames} frames; decoding alone {1e3 * decoded / frames:.2f} core-ms a frame\n")
    print("| one candidate in | | pairs | core-ms a pair | ours is faster | filter | track | pack | the three |")
    print("|---|---|---|---|---|---|---|---|---|")
    for every in EVERY:
        turns = [mined[every] for mined in rounds]
        seconds = {rule: sum(own.clock.seconds[rule] for own in turns) / ROUNDS for rule in RULES}
        whole, pairs = sum(seconds.values()), turns[0].pairs
        own = 1e3 * whole / pairs
        shares = " | ".join(f"{seconds[rule] / decoded:.2f} x" for rule in RULES)
        print(f"| {every} frames | ours | {pairs} | {own:.0f} | | {shares} | {whole / decoded:.2f} x |")
        for side in BOXES:
            cost = plain.per_pair(every, side)
            print(f"| | plain, box {side} | {plain.pairs['pairs', every]} | {cost:.0f} | {cost / own:.1f} x | | | | |")
    print(in_processes(clips), flush=True)
    with one_opencv_thread():
        for line in selection(clips, plain.verdicts):
            print(line, flush=True)
    print(f"| mahotas' points within 0.01 px of one of ours ({points[2]:.0f} a frame) | {points[0]:.4f} |")
    print(f"| ours within 0.01 px of one of mahotas' ({points[3]:.0f} a frame) | {points[1]:.4f} |")
    milliseconds = f"{spent.seconds['ours']:.1f} and {spent.seconds['theirs']:.1f}"
    print(f"| core-ms a frame for these points, ours and mahotas' | {milliseconds} |")
    for line in table(clips):
        print(line, flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(one_rule(*sys.argv[1:3], Path(sys.argv[3])))
    else:
        main()
