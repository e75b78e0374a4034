"""What became of the videos of a crawl so far, and what is still to come: a page, and the same numbers as JSON."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracklearn.files import read_json, write_json
from tracklearn.pages.rendering import render
from tracklearn.videos.lists import REPEAT
from tracklearn.videos.manifest import ManifestRow, read_manifest

OUTCOMES = {
    "downloaded": "can be mined",
    "repeated": "listed or downloaded twice",
    "refused": "failed for good",
    "unreachable": "failed, but may pass",
    "to_come": "not tried yet",
}
REASONS, REPEATS, PACE_SHARDS = 20, 100, 20  # at most: reasons and repeats on the page, shards that tell the pace


def summarize_crawl(
    *,
    listed: Mapping[str, int],
    manifests: str | Path,
    summaries: str | Path,
    page: str | Path,
    numbers: str | Path,
) -> dict[str, float]:
    """Write a page about all shards of the list; those without a manifest are still to come.

    The estimates assume that the shards to come are like those that are done. The time left is that of the last twenty
    manifests, so it is wrong after a break.

    Args:
        listed: number of videos of each shard of the list.
        manifests: folder of the shards' manifests.
        summaries: folder of the summaries of packed shards (`patches.packing`).
        page: the HTML file to write.
        numbers: the JSON file to write.

    Returns:
        The numbers of `listed` videos and of each of `OUTCOMES`, `bytes`, `hours` of video, `pairs` and
        `pairs_per_hour`.

    Raises:
        UserError: a file is not a manifest, a summary is damaged, or the disk is full.
    """
    outcomes: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
    reasons: dict[str, Counter[str]] = {"refused": Counter(), "unreachable": Counter()}
    first: dict[int, str] = {}
    copies: list[tuple[str, str]] = []
    size, seconds, mined_seconds, pairs = 0, 0.0, 0.0, 0
    times, packed = [], 0
    for shard, videos in listed.items():
        manifest, summary = Path(manifests) / f"{shard}.tsv", Path(summaries) / f"{shard}.json"
        if not manifest.exists():
            outcomes["to_come"] += videos
            continue
        times.append(manifest.stat().st_mtime)
        rows = read_manifest(manifest)
        for row in rows:
            outcome = outcome_of(row)
            outcomes[outcome] += 1
            if outcome in reasons:
                reasons[outcome][general_reason(row.reason)] += 1
        good = [row for row in rows if row.ok]
        for row in good:
            same = first.setdefault(int(row.sha256[:16], 16), row.video_id)
            if same != row.video_id:
                copies.append((row.video_id, same))
        size += sum(row.bytes for row in good)
        seconds += (of_shard := sum(row.duration for row in good))
        if summary.exists():
            packed += 1
            pairs += read_json(summary)["pairs"]
            mined_seconds += of_shard
    counts: dict[str, Any] = {
        "listed": sum(listed.values()),
        **outcomes,
        "bytes": size,
        "hours": seconds / 3600,
        "pairs": pairs,
        "pairs_per_hour": 3600 * pairs / mined_seconds if mined_seconds else 0.0,
    }
    known = {
        **counts,
        "copies_across_shards": len(copies),
        "shards": {"listed": len(listed), "downloaded": len(times), "packed": packed},
        "reasons": {name: dict(found.most_common()) for name, found in reasons.items()},
        "estimate_to_come": _estimate(counts, times, len(listed)),
    }
    write_json(numbers, known)
    render(
        "crawl.html.jinja",
        page,
        counts=counts,
        outcomes=OUTCOMES,
        reasons={name: Counter(dict(found.most_common(REASONS))) for name, found in reasons.items() if found},
        copies=copies[:REPEATS],
        known=known,
    )
    return {name: float(value) for name, value in counts.items()}


def outcome_of(row: ManifestRow) -> str:
    """Which of `OUTCOMES` a row tells."""
    if row.ok:
        return "downloaded"
    if row.status == "unreachable":
        return "unreachable"
    return "repeated" if row.reason.startswith(REPEAT) else "refused"


def general_reason(reason: str) -> str:
    """A reason without what belongs to one video: its site and id, its numbers, the number of attempts."""
    general = re.sub(r" \(\d+ attempts\)$", "", re.sub(r"^\[[^\]]+\] (\S+: )?", "", reason))
    general = re.split(r": |\. ", general)[0]
    return general if general.startswith("HTTP ") else re.sub(r"\d[\d.]*", "...", general)


def _estimate(counts: Mapping[str, float], times: list[float], shards: int) -> dict[str, float | None]:
    """What is still to come: the number of videos, and what they will give if they are like those before."""
    tried = counts["listed"] - counts["to_come"]
    factor = counts["to_come"] / tried if tried else 0.0
    last = sorted(times)[-PACE_SHARDS:]
    pace = (last[-1] - last[0]) / (len(last) - 1) if len(last) > 1 else None
    return {
        "videos": counts["to_come"],
        **{name: factor * counts[name] for name in ("downloaded", "bytes", "hours")},
        "pairs": factor * counts["hours"] * counts["pairs_per_hour"],
        "seconds": None if pace is None else pace * (shards - len(times)),
    }
