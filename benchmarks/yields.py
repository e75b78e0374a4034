"""Pairs that a video yields, by the distance between two candidate frames: the arithmetic behind `mining.filter.every`.

`python -m benchmarks.yields` runs filtering, tracking and packing on every third of the web clips that settings may be
chosen on, and counts the pairs that are left after duplicates are dropped. A clip lasts at most 12 seconds, so its last
30 frames, in which no track can end, weigh far more than in a video of minutes. The rate is therefore the number of
pairs over the number of the frames before them.
"""

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.clips import WEB_CLIPS, bootstrap, web_clips
from tracklearn.machine.threads import one_opencv_thread
from tracklearn.mining.filtering import filter_shard
from tracklearn.mining.tables import FRAMES, TRACKS, read_table, write_table
from tracklearn.mining.tracking.kcf import track_shard
from tracklearn.patches.packing import pack_shard
from tracklearn.patches.store import PatchStore
from tracklearn.settings.mining import Filtering, Tracking
from tracklearn.videos.frames import probe
from tracklearn.videos.manifest import ManifestRow, write_manifest

EVERY = (40, 35, 30, 25, 20, 15, 10, 5)
VIDEOS = 100_000  # PAPER §4
ALIVE, MINUTES = 2 / 3, 4  # ASSUME: a third of the videos is gone, and the others last 4 minutes


def main() -> None:
    """Mine the clips at the smallest distance, and print the yield at each distance."""
    clips = web_clips()[0][::3]
    if not clips:
        print(f"no clips in {WEB_CLIPS}: set DATA to a folder with web_clips/")
        return
    infos = [probe(clip) for clip in clips]
    frames_a_video = 60 * MINUTES * sum(info.frames for info in infos) / sum(info.frames / info.fps for info in infos)
    usable = np.array([max(0, info.frames - Tracking.read().frames) for info in infos])
    with one_opencv_thread(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest, frames_table, tracks_table = (folder / name for name in ("m.tsv", "frames.csv", "tracks.csv"))
        write_manifest(manifest, [ManifestRow(clip.stem, "", str(clip), "ok") for clip in clips])
        filtering = {"every": min(EVERY), "max_pairs_per_video": 10**6}
        filter_shard(manifest=manifest, frames_table=frames_table, filtering=filtering)
        track_shard(manifest=manifest, frames_table=frames_table, tracks_table=tracks_table, box=Filtering.read().box)
        frames, tracks = read_table(frames_table, FRAMES), read_table(tracks_table, TRACKS)
        print(f"{len(clips)} clips, {sum(info.frames for info in infos)} frames, {usable.sum()} of them with 30 frames")
        print(f"after them; a video of {MINUTES} minutes has {frames_a_video:.0f} frames\n")
        print("| one candidate in | candidates | accepted | tracked | pairs | pairs a video (95% interval) | patches |")
        print("|---|---|---|---|---|---|---|")
        for every in EVERY:
            candidates = sum(int(row["frame"]) % every == 0 for row in frames if row["frame"])
            accepted = [row for row in tracks if int(row["frame"]) % every == 0]
            tracked = sum(row["status"] == "tracked" for row in accepted)
            write_table(folder / "part.csv", TRACKS, accepted)
            outputs = {"store": folder / f"{every}.h5", "summary": folder / f"{every}.json"}
            pack_shard(manifest=manifest, tracks_table=folder / "part.csv", **outputs)
            store = PatchStore(outputs["store"])
            pairs_of = Counter(store.video_ids[video] for video in store.video_of_pair)
            pairs = np.array([pairs_of[clip.stem] for clip in clips])
            rate, low, high = (frames_a_video * share for share in bootstrap(pairs, usable))
            row = f"{candidates} | {len(accepted)} | {tracked} | {pairs.sum()} | {rate:.0f} ({low:.0f} to {high:.0f})"
            print(f"| {every} frames | {row} | {2 * rate * ALIVE * VIDEOS / 1e6:.1f}M |", flush=True)


if __name__ == "__main__":
    main()
