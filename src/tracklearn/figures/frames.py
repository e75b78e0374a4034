"""Figure 2: candidate frames with their points, the points' motion without the camera's, and the verdict."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from tracklearn.figures.drawing import (
    NORMAL,
    SMALL,
    WIDTH,
    Outputs,
    draw_without_replacement,
    in_print,
    inches,
    new_figure,
    repeats_last,
    write_figure,
    write_placard,
)
from tracklearn.mining.filtering import Points, points_with_motion
from tracklearn.mining.tables import FRAMES, each_row
from tracklearn.patches.gallery import Candidate, TableRow, read_candidates
from tracklearn.settings.base import Block
from tracklearn.settings.mining import Filtering, Frame
from tracklearn.videos.manifest import read_manifest

MARKS = {"motion": "✓", "noise": "✗", "camera": "✗"}
STANDING, MOVING, OTHERS = "#0072B2", "#E69F00", "#CC79A7"  # a palette for the colour-blind
GAP, TITLE, LINE, LEGEND = 0.08, 0.36, 0.16, 0.26  # inches: between frames, title, line below a frame, legend
ARROW = 1 / 16  # widths of a frame: a quarter of the arrows are longer than this


class Drawn(NamedTuple):
    """A frame that the draw chose: its row of the table of candidate frames, and the number of its shard."""

    shard: int
    row: TableRow


class Panel(NamedTuple):
    """A frame to show: its row, what the filter saw, and its points."""

    row: TableRow
    candidate: Candidate
    points: Points


@in_print
def frames_figure(
    *,
    manifests: Sequence[str | Path],
    frames_tables: Sequence[str | Path],
    count: int,
    seed: int,
    outputs: Outputs,
    frame: Block = None,
    filtering: Block = None,
    resample_fps: float | None = None,
    timeout: float | None = None,
) -> dict[str, float]:
    """Draw candidate frames at random: accepted ones, and those rejected because too few or too many points move.

    The points of the few frames that are shown are found and followed again, as the filter did. A frame whose video can
    no longer be read gives way to the next one of the draw, and the description names the video.

    Args:
        manifests, frames_tables: of the mined shards, in the same order.
        count: frames of each verdict; a second frame of a video is shown only where too few videos were drawn.
        seed: of the draw; equal tables and seeds give the same frames.
        frame, filtering: blocks `settings.mining.Frame` and `.Filtering`, by which the shards were mined.
        resample_fps: frames per second at which the filter counted.
        timeout: seconds that reading a video may take; None sets no limit.

    Returns:
        `share/<reason>`: percentages of all candidate frames; the numbers of `candidates`, of `frames` in the figure
        and of videos that are `gone`.

    Raises:
        UserError: an invalid setting, or a table of another version.
    """
    size, settings = Frame.read(frame), Filtering.read(filtering)
    read = partial(
        _panel, manifests=manifests, size=size, settings=settings, resample_fps=resample_fps, timeout=timeout
    )
    reasons = [_reasons(table) for table in frames_tables]
    candidates = sum(found.total() for found in reasons)
    totals = {reason: sum(found[reason] for found in reasons) for reason in MARKS}
    shares = {reason: 100 * total / max(1, candidates) for reason, total in totals.items()}
    panels: dict[str, list[Panel]] = {reason: [] for reason in MARKS}
    gone: dict[str, None] = {}
    for number, (reason, shown) in enumerate(panels.items()):
        for drawn in _drawn(frames_tables, [found[reason] for found in reasons], reason, count, [seed, 2, number]):
            if len(shown) == count:
                break
            if panel := read(drawn):
                shown.append(panel)
            else:
                gone[drawn.row["video_id"]] = None
    frames = sum(map(len, panels.values()))
    metrics = {"candidates": float(candidates), "frames": float(frames), "gone": float(len(gone))}
    metrics |= {f"share/{reason}": share for reason, share in shares.items()}
    if not frames:
        missing = "no video of the drawn frames can be read any more" if gone else "no candidate frame was judged"
        write_placard(outputs, f"Figure 2: {missing}; download the videos again or add videos")
        return metrics
    stretch = arrow_stretch([panel.points for shown in panels.values() for panel in shown], settings.moving_px)
    write_figure(
        _drawing(panels, shares, settings, stretch),
        outputs,
        caption=f"SURF points of candidate frames, drawn at random with seed {seed} from {candidates:,} candidates in "
        f"{len(frames_tables)} shards. Blue dots stand still once the camera's motion is removed. Orange arrows show "
        f"the motion to the next frame that is left, drawn {stretch} times as long; a point moves if this motion is "
        f"longer than {settings.moving_px:g} px. A frame is accepted if {settings.noise:.0%} to {settings.camera:.0%} "
        "of its points move; its query box (white) is the window that holds most moving points. Of all candidates "
        f"{100 - sum(shares.values()):.1f}% were rejected for other reasons, such as too few points.",
        drawn=[
            f"{panel.row['video_id']}, frame {panel.row['frame']}: {_verdict(reason)}, {_share(panel.points, settings)}"
            for reason, shown in panels.items()
            for panel in shown
        ],
        notes=[
            *(f"{video}: cannot be read any more, so its frames are not shown" for video in gone),
            *(f"no candidate frame was {_verdict(reason)}" for reason, total in totals.items() if not total),
        ],
    )
    return metrics


def _reasons(table: str | Path) -> Counter[str]:
    """How many candidate frames of a shard have each reason."""
    next(each_row(table, FRAMES), None)  # checks the columns
    rows = pd.read_csv(table, usecols=["frame", "reason"], dtype=str).dropna(subset="frame")
    return Counter(rows["reason"])


def _panel(
    drawn: Drawn,
    *,
    manifests: Sequence[str | Path],
    size: Frame,
    settings: Filtering,
    resample_fps: float | None,
    timeout: float | None,
) -> Panel | None:
    """A frame with its points, as the filter found them; None where its video can no longer be read."""
    video_id, frame_number = drawn.row["video_id"], int(drawn.row["frame"])
    seen = read_candidates(
        [video for video in read_manifest(manifests[drawn.shard]) if video.video_id == video_id],
        {video_id: {frame_number}},
        size=(size.height, size.width),
        resample_fps=resample_fps,
        overlays=settings.overlays,
        timeout=timeout,
    ).get((video_id, frame_number))
    if seen is None:
        return None
    return Panel(drawn.row, seen, points_with_motion(seen.image, seen.next_image, settings, seen.overlay))


def _drawn(
    tables: Sequence[str | Path], counts: Sequence[int], reason: str, frames: int, seed: Sequence[int]
) -> list[Drawn]:
    """Candidate frames with one reason in random order, further frames of a video last; only their shards are read."""
    starts = np.cumsum([0, *counts])
    numbers = draw_without_replacement(int(starts[-1]), frames, *seed)
    shards = np.searchsorted(starts, numbers, side="right") - 1
    found: dict[int, Drawn] = {}
    for shard in set(shards.tolist()):
        wanted = {numbers[place] - int(starts[shard]): numbers[place] for place in np.flatnonzero(shards == shard)}
        rows = (row for row in each_row(tables[shard], FRAMES) if row["reason"] == reason)
        found |= {wanted[place]: Drawn(shard, row) for place, row in enumerate(rows) if place in wanted}
    in_order = [found[number] for number in numbers]
    return [in_order[place] for place in repeats_last([drawn.row["video_id"] for drawn in in_order])]


def arrow_stretch(points: Sequence[Points], moving_px: float) -> int:
    """The factor 1, 2, 5, 10, ... on all arrows that brings their upper quartile closest to `ARROW`."""
    lengths = np.concatenate([each.lengths for each in points])
    widths = np.concatenate([np.full(len(each.at), np.ptp(each.at[:, 0]) or 1) for each in points])
    moving = lengths > moving_px
    if not moving.any():
        return 1
    factors = np.array([1, 2, 5, 10, 20, 50])
    return int(factors[np.abs(np.log(factors * np.percentile(lengths[moving] / widths[moving], 75) / ARROW)).argmin()])


def _drawing(panels: dict[str, list[Panel]], shares: dict[str, float], settings: Filtering, stretch: int) -> Figure:
    """One column for each verdict."""
    width = (WIDTH - (len(panels) - 1) * GAP) / len(panels)
    heights = [
        width * max(panel.candidate.image.shape[0] / panel.candidate.image.shape[1] for panel in row if panel)
        for row in zip_longest(*panels.values())
    ]
    figure = new_figure(TITLE + sum(heights) + len(heights) * LINE + LEGEND)
    limits = {"noise": f"under {settings.noise:.0%} move", "camera": f"over {settings.camera:.0%} move"}
    for column, (reason, shown) in enumerate(panels.items()):
        left, top = column * (width + GAP), TITLE
        header = inches(figure, left, 0, width, TITLE)
        name = f"rejected: {limits[reason]}" if reason in limits else "accepted"
        header.text(0, 0.68, f"{MARKS[reason]} {name}", fontsize=NORMAL + 1, weight="bold", va="center")
        header.text(0, 0.26, f"{shares[reason]:.1f}% of the candidate frames", va="center")
        if not shown:
            inches(figure, left, top, width, heights[0]).text(0, 0.9, "none can be shown", va="top")
        for panel, height in zip(shown, heights, strict=False):
            axes = inches(figure, left, top, width, height)
            _draw(axes, panel, settings, stretch)
            line = inches(figure, left, top + height, width, LINE)
            line.text(0, 0.55, _share(panel.points, settings), va="center", fontsize=SMALL + 0.5)
            top += height + LINE
    marks = [
        Line2D([], [], ls="", marker="o", ms=3, color=STANDING, mew=0, label="stands still"),
        Line2D([], [], ls="", marker="$→$", ms=9, color=MOVING, mew=0.3, label=f"moves (arrow: motion × {stretch})"),
        Line2D([], [], ls="", marker="x", ms=3, color=OTHERS, mew=0.7, label="left out (not followed, or overlaid)"),
        Rectangle((0, 0), 1, 1, fill=False, ec="black", lw=1.2, label="query box"),
    ]
    figure.legend(handles=marks, loc="lower center", ncols=len(marks), frameon=False, borderpad=0.2, handletextpad=0.5)
    return figure


def _draw(axes: Axes, panel: Panel, settings: Filtering, stretch: int) -> None:
    """A frame with its points, arrows and query box."""
    image, points = panel.candidate.image, panel.points
    height, width = image.shape
    axes.imshow(image, cmap="gray", vmin=-90, vmax=255, extent=(0, width, height, 0), interpolation="antialiased")
    lengths = points.lengths
    moving, standing, others = lengths > settings.moving_px, lengths <= settings.moving_px, np.isnan(lengths)
    x, y = points.at.T
    axes.scatter(x[others], y[others], s=3, marker="x", linewidths=0.5, color=OTHERS)
    axes.scatter(x[standing], y[standing], s=2.5, color=STANDING, linewidths=0.2, edgecolors="white")
    axes.quiver(
        x[moving],
        y[moving],
        *(stretch * points.motion[moving].T),
        angles="xy",
        scale_units="xy",
        scale=1,
        color=MOVING,
        width=0.0045,
        headwidth=3.2,
        headlength=3.6,
        headaxislength=3.4,
        minlength=0.5,
        edgecolor="black",
        linewidth=0.2,
    )
    if panel.row["x"]:
        corner = (int(panel.row["x"]), int(panel.row["y"]))
        for colour, thickness in (("black", 2.2), ("white", 1.2)):
            axes.add_patch(Rectangle(corner, settings.box, settings.box, fill=False, ec=colour, lw=thickness))
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", anchor="N")


def _verdict(reason: str) -> str:
    """The verdict of a reason in words."""
    rejected = {"noise": "rejected (too few points move)", "camera": "rejected (too many points move)"}
    return rejected.get(reason, "accepted")


def _share(points: Points, settings: Filtering) -> str:
    """The share of the followed points that move, in words."""
    followed = points.lengths[np.isfinite(points.lengths)]
    moving = int((followed > settings.moving_px).sum())
    return f"{moving / max(1, len(followed)):.1%} move: {moving} of {len(followed)} points"
