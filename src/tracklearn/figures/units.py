"""Figure 5: the windows that excite some units of pool5 most, cropped to what the unit sees."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from tracklearn.features.windows import Source
from tracklearn.figures.drawing import (
    SMALL,
    WIDTH,
    Outputs,
    in_print,
    inches,
    new_figure,
    write_figure,
    write_placard,
)
from tracklearn.networks.backbone import Backbone
from tracklearn.networks.receptive_field import receptive_field
from tracklearn.networks.weights import build
from tracklearn.report import Report, silent
from tracklearn.voc.annotations import Voc
from tracklearn.voc.image_sets import CLASSES
from tracklearn.voc.warp import warp
from tracklearn.voc.window_labels import OFF_OBJECTS, window_labels

LABEL, GAP, LINE, BETWEEN = 0.98, 0.05, 0.15, 0.06  # inches: left of a row, between windows, below them, between rows


class Unit(NamedTuple):
    """A unit of pool5.

    Attributes:
        number: its place among all units, in Caffe's order (channel, row, column).
        label: class of most of its windows.
        agreeing: how many of its windows show this class.
    """

    number: int
    label: int
    agreeing: int


class StrongWindow(NamedTuple):
    """One window of a unit: what the unit sees of it, RGB (h, w, 3), what it shows, and how it excites the unit."""

    crop: np.ndarray
    shows: str
    activation: float
    image_id: str


class TopWindows:
    """For each of D units, the `k` images whose windows excite it most, each image by its strongest window.

    ASSUME: R-CNN's visualisation drops windows that overlap a stronger one. Here an image counts once for a unit, so
    that the windows show different objects. Images are added one by one, and only the strongest are kept.

    Attributes:
        values: float32 (k, D), the activations, the largest first; -inf where there were fewer images.
        images, rows: int64 (k, D), numbers of the image and of the window in it.
    """

    def __init__(self, k: int, units: int) -> None:
        self.values = np.full((k, units), -np.inf, np.float32)
        self.images, self.rows = (np.full((k, units), -1, np.int64) for _ in range(2))

    def add(self, image: int, rows: np.ndarray, features: np.ndarray) -> None:
        """Take in an image with at least one window; of equal activations the one that came first stays ahead.

        Args:
            image: number of the image.
            rows: (n,) numbers of its windows.
            features: (n, D) their activations.
        """
        strongest = features.max(axis=0)
        better = np.flatnonzero(strongest > self.values[-1])
        values = np.vstack([self.values[:, better], strongest[better]])  # (k + 1, units)
        images = np.vstack([self.images[:, better], np.full(len(better), image)])
        found = np.vstack([self.rows[:, better], rows[features[:, better].argmax(axis=0)]])
        order = np.argsort(-values, axis=0, kind="stable")[:-1]
        self.values[:, better] = np.take_along_axis(values, order, axis=0)
        self.images[:, better] = np.take_along_axis(images, order, axis=0)
        self.rows[:, better] = np.take_along_axis(found, order, axis=0)


@in_print
def units_figure(
    *,
    voc: str | Path,
    year: int,
    source: Source,
    weights: str | Path,
    outputs: Outputs,
    units: int,
    windows: int,
    proposals: Literal["objects", "all"],
    classes: Sequence[str] = CLASSES,
    model: str = "",
    report: Report = silent,
) -> dict[str, float]:
    """Draw the strongest windows of the units of pool5 whose windows agree most in class (see `choose_units`).

    ASSUME: a unit is one value of pool5, a channel at a position, as in R-CNN's visualisation (Girshick et al. 2014,
    section 3.1), whose receptive field is 195 x 195 of 227 pixels.

    Args:
        source: pool5 of the proposals of annotated photos by one network.
        weights: the network's file.
        units, windows, proposals: as in `settings.figures.Figures`.
        model: the network's name, for the caption.

    Returns:
        Numbers of `units` in the figure, of `excited` units, of `photos` and of `windows`, and the mean number of
        windows that show their unit's class, `agreeing`. A unit counts as excited if its value is above 0 for windows
        of at least as many photos as a row of the figure shows.

    Raises:
        UserError: unreadable photos, annotations or weights.
    """
    photos, net = Voc(voc, year, classes=classes), build(weights)
    rows = [_rows(photos, source, image, proposals) for image in range(len(source))]
    counted = {"photos": float(sum(map(bool, map(len, rows)))), "windows": float(sum(map(len, rows)))}
    if counted["photos"] < windows:
        where = {"objects": "with a proposal on an object", "all": "with a proposal"}[proposals]
        few = f"figures.windows is {windows}, but there are only {counted['photos']:.0f} photos {where}"
        write_placard(outputs, f"Figure 5: {few}; lower it or evaluate more photos")
        return {"units": 0.0, "excited": 0.0, "agreeing": 0.0, **counted}
    top = _strongest(source, rows, windows, report)
    labels = _classes_of(top, photos, source)
    size = net.pool5_side**2
    chosen = choose_units(top.values, labels, count=units, classes=len(classes), units_of_channel=size)
    excited = int((top.values[-1] > 0).sum())
    counted |= {"excited": float(excited), "units": float(len(chosen))}
    if not chosen:
        none = f"no unit of pool5 of {model} is excited by {windows} photos, so the network has not learned"
        write_placard(outputs, f"Figure 5: {none}; train it again")
        return {**counted, "agreeing": 0.0}
    names = [*classes, "no object"]  # OFF_OBJECTS is -1
    rows_shown: list[list[StrongWindow]] = []
    for unit in chosen:
        columns = (values[:, unit.number] for values in (top.images, top.rows, labels, top.values))
        rows_shown.append([])
        for image, window, label, activation in zip(*columns, strict=True):
            image_id, box = source.ids[image], source.boxes[image][window : window + 1]
            (warped,) = warp(photos.image(image_id), box, mean=net.mean_bgr[::-1], size=net.input_size)
            rows_shown[-1].append(
                StrongWindow(_crop(warped, net, unit.number), names[label], float(activation), image_id)
            )
    first, last = receptive_field(net, net.pool5_side // 2)
    on = {"objects": "proposals that overlap an object by more than half", "all": "proposals"}[proposals]
    write_figure(
        _drawing(rows_shown, chosen, net, names),
        outputs,
        caption=f"The {windows} windows that excite each of {len(chosen)} units of pool5 of {model} most, among "
        f"{counted['windows']:,.0f} {on} in the evaluation photos, one window of a photo. Each is cropped to what the "
        f"unit sees, {last - first + 1} x {last - first + 1} of {net.input_size} pixels, clipped at the window's "
        "border. Below each: its class, bold where it is the row's, and the unit's activation. Of "
        f"{excited:,} units that are excited by {windows} photos, those are shown whose windows agree most in class; "
        "of equals the one of the class shown least often so far, then the one with the larger mean activation; of a "
        "channel only one unit.",
        drawn=[
            "channel {}, row {}, column {}: ".format(*_place(net, unit.number))
            + ", ".join(f"{window.image_id} ({window.shows}, {window.activation:.3g})" for window in own)
            for unit, own in zip(chosen, rows_shown, strict=True)
        ],
    )
    return {**counted, "agreeing": float(np.mean([unit.agreeing for unit in chosen]))}


def choose_units(
    values: np.ndarray, labels: np.ndarray, *, count: int, classes: int, units_of_channel: int
) -> list[Unit]:
    """The units whose windows agree most in class, by a rule that leaves nothing to choose by hand.

    Of the units that all their windows excite, the one is taken with most windows of one class. Of equals the one whose
    class was taken least often before, then the one with the largest mean activation, then the first. Of a channel only
    one unit is taken, since neighbouring positions of a channel see nearly the same.

    Args:
        values: (k, D) activations of each unit's windows.
        labels: (k, D) classes of these windows, `OFF_OBJECTS` off all objects.
        count: number of units wanted.
        classes: number of classes.
        units_of_channel: units of one channel, whose numbers are consecutive.

    Returns:
        At most `count` units.
    """
    of_class = np.stack([(labels == label).sum(axis=0) for label in range(classes)])  # (C, D)
    agreeing, best = of_class.max(axis=0), of_class.argmax(axis=0)
    free, means = values[-1] > 0, values.mean(axis=0)
    taken = np.zeros(classes, np.int64)
    chosen: list[Unit] = []
    while free.any() and len(chosen) < count:
        order = np.lexsort((-means, taken[best], -agreeing))
        number = int(order[free[order]][0])
        chosen.append(Unit(number, int(best[number]), int(agreeing[number])))
        taken[best[number]] += 1
        start = number - number % units_of_channel
        free[start : start + units_of_channel] = False
    return chosen


def _rows(photos: Voc, source: Source, image: int, proposals: str) -> np.ndarray:
    """The proposals of an image among which the strongest windows are found."""
    own = np.arange(source.ground_truth[image], len(source.boxes[image]))
    if proposals == "all":
        return own
    labels = window_labels(source.boxes[image], photos.objects(source.ids[image]))
    return own[labels[own] != OFF_OBJECTS]


def _strongest(source: Source, rows: Sequence[np.ndarray], windows: int, report: Report) -> TopWindows:
    """The strongest windows of each unit among some rows of each image."""
    top, done = TopWindows(windows, sum(source.widths)), 0
    for image, found in enumerate(source.windows(rows)):
        if len(found.boxes):
            top.add(image, rows[image], found.features)
            done += len(found.boxes)
            report(done, {"windows": float(done)})
    return top


def _classes_of(top: TopWindows, photos: Voc, source: Source) -> np.ndarray:
    """The classes (k, D) of the strongest windows, `OFF_OBJECTS` off all objects."""
    labels = np.full(top.images.shape, OFF_OBJECTS)
    for image in np.unique(top.images).tolist():
        own = top.images == image
        labels[own] = window_labels(source.boxes[image], photos.objects(source.ids[image]))[top.rows[own]]
    return labels


def _crop(window: np.ndarray, net: Backbone, unit: int) -> np.ndarray:
    """What a unit sees of a warped window (S, S, 3): RGB (h, w, 3)."""
    side = net.pool5_side
    (top, bottom), (left, right) = (receptive_field(net, place) for place in divmod(unit % side**2, side))
    return window[top : bottom + 1, left : right + 1]


def _place(net: Backbone, unit: int) -> tuple[int, int, int]:
    """Channel, row and column of a unit."""
    channel, place = divmod(unit, net.pool5_side**2)
    return channel, *divmod(place, net.pool5_side)


def _drawing(
    rows: Sequence[Sequence[StrongWindow]], chosen: Sequence[Unit], net: Backbone, names: Sequence[str]
) -> Figure:
    """One row for each unit, its strongest window first."""
    count = len(rows[0])
    side = (WIDTH - LABEL - (count - 1) * GAP) / count
    figure = new_figure(len(chosen) * (side + LINE + BETWEEN) - BETWEEN)
    for row, (unit, own) in enumerate(zip(chosen, rows, strict=True)):
        upper = row * (side + LINE + BETWEEN)
        channel, y, x = _place(net, unit.number)
        title = inches(figure, 0, upper, LABEL, side)
        title.text(0, 0.66, f"channel {channel}", weight="bold", va="center")
        title.text(0, 0.5, f"row {y}, column {x}", va="center", fontsize=SMALL + 0.5)
        title.text(0, 0.34, f"{unit.agreeing} of {count}: {names[unit.label]}", va="center", fontsize=SMALL + 0.5)
        for number, window in enumerate(own):
            left = LABEL + number * (side + GAP)
            crop = inches(figure, left, upper, side, side)
            crop.imshow(window.crop)
            crop.set_anchor("S")
            line = inches(figure, left, upper + side, side, LINE)
            weight = "bold" if window.shows == names[unit.label] else "normal"
            line.text(0, 0.5, window.shows, fontsize=SMALL, va="center", weight=weight)
            line.text(1, 0.5, f"{window.activation:.3g}", fontsize=SMALL, va="center", ha="right")
    return figure
