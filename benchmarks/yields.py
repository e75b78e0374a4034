"""Pairs a video yields, by the distance between two candidate frames: the arithmetic behind `mining.filter.every`.

`python -m benchmarks.yields` runs filtering, tracking and packing on every third web clip that settings may be chosen
on, and counts the pairs that are left after duplicates are dropped. A clip lasts at most 12 seconds, so its last 30
frames, in which no track can end, weigh far more than in a video of minutes. The rate is therefore that of the frames
before them.
"""

import tempfile
from pathlib import Path

from benchmarks.clips import web_clips
from tracklearn.machine.threads import one_opencv_thread
from tracklearn.mining.filtering import filter_shard
from tracklearn.mining.tables import FRAMES, TRACKS, read_table, write_table
from tracklearn.mining.tracking.kcf import track_shard
from tracklearn.patches.packing import pack_shard
from tracklearn.settings.mining import Filtering, Tracking
from tracklearn.videos.frames import probe
from tracklearn.videos.manifest import ManifestRow, write_manifest

EVERY = (30, 25, 20, 15, 10, 5)
VIDEOS, ALIVE, MINUTES = 100_000, 2 / 3, 4  # PAPER §4: 100K videos; ASSUME: a third is dead, the others last 4 minutes


def main() -> None:
    """Mine the clips at the smallest distance, and print the yield at each distance."""
    clips = web_clips()[0][::3]
    with one_opencv_thread(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest, frames_table, tracks_table = (folder / name for name in ("m.tsv", "frames.csv", "tracks.csv"))
        write_manifest(manifest, [ManifestRow(clip.stem, "", str(clip), "ok") for clip in clips])
        every = {"every": min(EVERY), "max_pairs_per_video": 10**6}
        filter_shard(manifest=manifest, frames_table=frames_table, filtering=every)
        track_shard(manifest=manifest, frames_table=frames_table, tracks_table=tracks_table, box=Filtering.read().box)
        frames, tracks = read_table(frames_table, FRAMES), read_table(tracks_table, TRACKS)
        lengths = {clip.stem: probe(clip).frames for clip in clips}
        usable = sum(max(0, length - Tracking.read().frames) for length in lengths.values())
        print(f"{len(clips)} clips, {sum(lengths.values())} frames, {usable} of them with 30 frames after them\n")
        print("| one candidate in | candidates | accepted | tracked | pairs | pairs a video of 4 minutes | patches |")
        print("|---|---|---|---|---|---|---|")
        for every in EVERY:
            candidates = [row for row in frames if row["frame"] and int(row["frame"]) % every == 0]
            accepted = [row for row in tracks if int(row["frame"]) % every == 0]
            write_table(folder / "part.csv", TRACKS, accepted)
            outputs = {"store": folder / f"{every}.h5", "summary": folder / f"{every}.json"}
            pairs = int(pack_shard(manifest=manifest, tracks_table=folder / "part.csv", **outputs)["pairs"])
            tracked = sum(row["status"] == "tracked" for row in accepted)
            per_video = pairs / usable * RATE * 60 * MINUTES
            patches = 2 * per_video * ALIVE * VIDEOS / 1e6
            row = f"{len(candidates)} | {len(accepted)} | {tracked} | {pairs} | {per_video:.0f} | {patches:.1f}M"
            print(f"| {every} frames | {row} |")


if __name__ == "__main__":
    main()
