"""One page of all shards: what became of every video and frame, some pairs, and a link to the page of each shard."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tracklearn.files import read_json
from tracklearn.mining.tables import short_reason, spread
from tracklearn.pages.rendering import render
from tracklearn.patches.gallery import pair_picture
from tracklearn.patches.subset import Subset
from tracklearn.videos.manifest import ManifestRow, read_manifest

PAIRS, REASONS, UNREADABLE = 96, 20, 100  # at most: pictures of pairs, lines of a histogram, videos named on the page


def pairs_page(
    *,
    stores: Sequence[str | Path],
    summaries: Sequence[str | Path],
    manifests: Sequence[str | Path],
    frames_tables: Sequence[str | Path],
    page: str | Path,
) -> dict[str, float]:
    """Write a page of all shards; for a thousand shards it has about two megabytes.

    Args:
        stores, summaries: the patch shards and their summaries, in the same order.
        manifests, frames_tables: each shard's videos and candidate frames; empty for imported pairs.
        page: the HTML file to write, in the folder of the shards' own pages.

    Returns:
        The numbers of `videos`, `pairs` and `pictures`.

    Raises:
        UserError: a file is not a patch shard or not a manifest, or the disk is full.
    """
    pairs, videos, frames, tracks = Subset(stores), Counter[str](), Counter[str](), Counter[str]()
    table: list[dict[str, object]] = []
    unreadable: list[ManifestRow] = []
    for number, path in enumerate(summaries):
        summary = read_json(path)
        tracks.update({"kept": summary["pairs"]} | summary["reasons"])
        counts = {"pairs": summary["pairs"], "videos_with_pairs": summary["videos"]}
        if manifests:
            rows = read_manifest(manifests[number])
            found = pd.read_csv(frames_tables[number], usecols=["reason"], keep_default_na=False)["reason"]
            videos.update("can be read" if row.ok else short_reason(row.reason) for row in rows)
            unreadable += [row for row in rows if not row.ok][: UNREADABLE - len(unreadable)]
            for reason, count in found.value_counts().items():
                frames[short_reason(str(reason))] += int(count)
            counts |= {"videos": len(rows), "candidates": len(found)}
        table.append({"shard": Path(path).stem, "page": f"{Path(path).stem}.html" if manifests else None, **counts})
    pictures = [pair_picture(*pairs.place(index)) for index in spread(range(len(pairs)), PAIRS)]
    reasons = {"videos": videos, "candidate frames": frames, "accepted frames": tracks}
    render(
        "pairs.html.jinja",
        page,
        pairs=len(pairs),
        reasons={name: _largest(counts) for name, counts in reasons.items() if counts},
        unreadable=unreadable,
        pictures=pictures,
        shards=table,
    )
    return {"videos": float(videos.total()), "pairs": float(len(pairs)), "pictures": float(len(pictures))}


def _largest(counts: Counter[str]) -> Counter[str]:
    """The largest counts, and the sum of the others."""
    kept = counts.most_common(REASONS)
    others = counts.total() - sum(count for _, count in kept)
    return Counter(dict(kept)) + Counter({"others": others})
