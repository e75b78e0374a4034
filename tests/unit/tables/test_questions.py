import csv
import json

import numpy as np
import pytest

from tracklearn.errors import UserError
from tracklearn.tables.questions import question_table, slope_per_doubling

DRAWS = 400


def test_the_slope_of_a_hand_case():
    """25, 28 and 31 at 100, 200 and 400 pairs: three points for each doubling."""
    assert slope_per_doubling([100, 200, 400], np.array([25.0, 28, 31])) == pytest.approx(3)


def test_the_slope_is_numpys_and_a_constant_does_not_change_it():
    rng = np.random.default_rng(0)
    sizes, figures = [90, 250, 1000], rng.random((3, 4, 5))
    slopes = slope_per_doubling(sizes, figures)
    np.testing.assert_allclose(slopes.ravel(), np.polyfit(np.log2(sizes), figures.reshape(3, -1), 1)[0])
    np.testing.assert_allclose(slope_per_doubling(sizes, figures + 7), slopes)


def test_equal_sizes_have_no_slope():
    with pytest.raises(UserError, match="all lines learned from 100 pairs; a slope needs lines of different sizes"):
        slope_per_doubling([100, 100, 100], np.zeros(3))


class Files:
    """Cells and replicates: the photos' noise is common to all systems, as draws of the same photos are."""

    def __init__(self, folder):
        self.folder, self.noise = folder, np.random.default_rng(0).standard_normal(DRAWS)
        self.cells, self.bootstraps, self.detections, self.detection_bootstraps, self.logs = [], [], [], [], []

    def frozen(self, system, value, *, column="sun8", figure="linear", learned=None, **more):
        self.cells.append(self.folder / f"cells/{column}/{system}.json")
        self.bootstraps.append(self.folder / f"draws/{column}/{system}.npz")
        for path in (self.cells[-1], self.bootstraps[-1]):
            path.parent.mkdir(parents=True, exist_ok=True)
        cell = {"value": value, "figures": {figure: {"value": value}}, "images": 96, "features": "pool5"}
        cell |= {"learned_pairs": learned if isinstance(learned, list) else [learned], "chance": {figure: 12.5}}
        self.cells[-1].write_text(json.dumps(cell | more))
        unmoved = {f"chance.{figure}": 12.5 + self.noise} if "sequences" in more else {}
        np.savez(self.bootstraps[-1], **{figure: value + self.noise} | unmoved)

    def row(self, row, value):
        self.detections.append(self.folder / f"table1/{row}/mAP.json")
        self.detections[-1].parent.mkdir(parents=True)
        self.detections[-1].write_text(json.dumps({"value": value, "row": row}))
        self.detection_bootstraps.append(self.folder / f"{row}.npz")
        np.savez(self.detection_bootstraps[-1], mAP=value + self.noise)

    def log(self, network, *spreads):
        self.logs.append(self.folder / f"models/{network}/log.csv")
        self.logs[-1].parent.mkdir(parents=True)
        rows = (f"{iteration},{spread}" for iteration, spread in enumerate(spreads))
        self.logs[-1].write_text("\n".join(["iteration,spread", *rows]) + "\n")

    def table(self, **question):
        block = {"id": "q", "question": "Does it help?", "data": "Few clips.", "seeds": 2} | question
        values = question_table(
            question=block, cells=self.cells, bootstraps=self.bootstraps, logs=self.logs, detections=self.detections,
            detection_bootstraps=self.detection_bootstraps, markdown=self.folder / "q.md", table=self.folder / "q.csv",
        )  # fmt: skip
        with open(self.folder / "q.csv", newline="") as file:
            return values, list(csv.DictReader(file)), (self.folder / "q.md").read_text()


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def test_lines_over_seeds_their_differences_and_detection(files):
    for system, value in {"random": 50, "random-seed2": 54, "best": 60, "best-seed2": 62}.items():
        files.frozen(system, value)
    for row, value in {"scratch": 20, "scratch-seed2": 30}.items():
        files.row(row, value)
    values, rows, text = files.table(
        lines={"random": ["random"], "best": ["best"]},
        figures=["sun8.linear"],
        detection={"scratch": "scratch"},
        comparisons=[["best", "random"]],
    )
    assert values["sun8.linear.random"] == 52 and values["mAP.scratch"] == 25
    (difference,) = [row for row in rows if row["kind"] == "difference"]
    assert float(difference["difference"]) == 9 and difference["by_seed"] == "+10.0 +8.0"
    # The photos' noise cancels; two seeds have a standard error of 1, and Student's t is 12.71.
    assert float(difference["low"]) == pytest.approx(9 - 12.71, abs=1)
    assert difference["verdict"] == "not told apart"
    mean = next(row for row in rows if row["line"] == "random")
    # 52 +- 2 x 12.71 by seeds, and +- 2 by photos.
    assert [float(mean["low"]), float(mean["high"])] == pytest.approx([52 - 25.4, 52 + 25.4], abs=4)
    assert text.startswith("## Does it help?\n\nFew clips.\n\nFigures are percentages, means over 2 training seeds")
    assert "over training seeds and photos" in text
    assert "| scratch | - | 25.0 [" in text and "| chance | 12.5 | - |" in text


def test_a_line_of_several_models_is_their_mean_and_an_ensemble_is_a_system_of_its_own(files):
    for system, value in {"a": 40, "b": 44, "a+b": 50}.items():
        files.frozen(system, value)
    shared = {"seeds": 1, "lines": {"both": ["a", "b"]}, "figures": ["sun8.linear"]}
    assert files.table(**shared)[0] == {"sun8.linear.both": 42}
    assert files.table(**shared, ensembles=True)[0] == {"sun8.linear.both": 50}


def test_the_slope_against_the_pairs_with_its_interval_over_seeds(files):
    for seed, slope in {"": 2, "-seed2": 3, "-seed3": 4}.items():
        for place, size in enumerate((100, 200, 400)):
            files.frozen(f"of{size}{seed}", 30 + slope * place, learned=size)
    lines = {str(size): [f"of{size}"] for size in (100, 200, 400)}
    _, rows, text = files.table(seeds=3, lines=lines, figures=["sun8.linear"], slope=True)
    (slope,) = [row for row in rows if row["kind"] == "slope"]
    assert float(slope["slope"]) == 3 and slope["by_seed"] == "+2.0 +3.0 +4.0" and slope["verdict"] == "higher"
    bounds = [float(slope[name]) for name in ("low", "high")]
    assert bounds == pytest.approx([3 - 2.48, 3 + 2.48], abs=0.1)  # a standard error of 0.577, and Student's t is 4.303
    assert "Pairs learned from: 100 100, 200 200, 400 400." in text


def test_networks_that_learned_from_no_pairs_have_no_slope(files):
    for name in ("a", "b", "c"):
        files.frozen(name, 40)
    with pytest.raises(UserError, match="question q: a learned from no pairs; a slope needs trained networks"):
        files.table(seeds=1, lines={name: [name] for name in "abc"}, figures=["sun8.linear"], slope=True)


def test_an_empty_cell_is_named_with_its_reason(files):
    files.frozen("a", 40)
    files.cells[0].write_text(json.dumps({"value": None, "reason": "no images", "figures": {}}))
    with pytest.raises(UserError, match=r"a\.json: an empty cell: no images; take its network out of the question"):
        files.table(seeds=1, lines={"a": ["a"]}, figures=["sun8.linear"])


def test_figures_of_masks_and_clips_name_what_their_intervals_draw(files):
    files.frozen(
        "a", 40, column="davis", figure="J", sequences={"s": {}}, features="conv5", **{"true cells": {"J": 80}}
    )
    files.frozen("a", 40, column="clips", figure="recall", pairs=9, clips=3)
    _, rows, text = files.table(
        seeds=1, lines={"a": ["a"]}, figures=["davis.J", "clips.recall"], comparisons=[["a", "chance"]]
    )
    assert "interval over training seeds and sequences (davis.J) or clips (clips.recall)" in text
    assert "With one seed the intervals hold nothing of how training seeds vary." in text
    assert "davis: masks of 1 sequences, carried by conv5 (chance: the first frame's masks, which stay in" in text
    assert "; clips: 9 pairs of 3 clips by pool5." in text
    (chance,) = [row for row in rows if row["kind"] == "mean" and row["line"] == "chance" and "davis" in row["figure"]]
    assert f"| chance | 12.5 [{float(chance['low']):.1f}, {float(chance['high']):.1f}] | 12.5 |" in text
    assert float(chance["high"]) - float(chance["low"]) > 3 and "| true cells | 80.0 | - |" in text
    # Draws of the same sequences, in which the noise cancels.
    differences = [row for row in rows if row["kind"] == "difference"]
    assert [[float(row[key]) for key in ("difference", "low", "high")] for row in differences] == [
        [27.5, 27.5, 27.5], pytest.approx([27.5, 25.5, 29.5], abs=0.3)
    ]  # fmt: skip


def test_networks_of_other_cells_have_no_true_cells_in_common(files):
    for name, value in {"fine": 90, "coarse": 80}.items():
        files.frozen(name, 40, column="davis", figure="J", sequences={"s": {}}, **{"true cells": {"J": value}})
    text = files.table(seeds=1, lines={"fine": ["fine"], "coarse": ["coarse"]}, figures=["davis.J"])[2]
    assert "| coarse | 40.0 [" in text and "| chance | 12.5 [" in text and "| true cells |" not in text


def test_the_pairs_of_the_lines_that_learned_from_some_stand_below_the_table(files):
    files.frozen("a", 40)
    files.frozen("b", 44, learned=1200)
    shared = {"seeds": 1, "figures": ["sun8.linear"]}
    assert (
        "\n\nPairs learned from: trained 1,200.\n" in files.table(lines={"none": ["a"], "trained": ["b"]}, **shared)[2]
    )
    text = files.table(lines={"none": ["a"], "trained": ["b", "a"]}, **shared)[2]
    assert "sun8: 96 photos by pool5.\n\nPairs learned from: trained 1,200 + none." in text
    files.frozen("b+c", 50, learned=[1200, 900])
    text = files.table(lines={"both": ["b", "c"]}, ensembles=True, **shared)[2]
    assert "Pairs learned from: both 1,200 + 900." in text
    assert "Pairs learned from" not in files.table(lines={"none": ["a"]}, **shared)[2]


def test_the_spread_at_the_end_of_each_training_stands_below_the_table(files):
    for name in ("random", "random-seed2", "a", "a-seed2"):
        files.frozen(name, 40)
    files.log("a", 0.9, 0.031)
    files.log("a-seed2", 0.9, 0.826)
    shared = {"figures": ["sun8.linear"]}
    text = files.table(lines={"none": ["random"], "trained": ["a"]}, **shared)[2]
    assert "collapsed to one): trained 0.03, 0.83.\n" in text
    text = files.table(lines={"two": ["a", "random"]}, **shared)[2]
    assert "): two 0.03, 0.83." in text
    for seed in ("", "-seed2"):
        files.frozen(f"b{seed}", 41)
        files.log(f"b{seed}", 0.5)
    assert "): two 0.03 + 0.50, 0.83 + 0.50." in files.table(lines={"two": ["a", "b"]}, **shared)[2]
    assert "Spread" not in files.table(lines={"none": ["random"]}, **shared)[2]
