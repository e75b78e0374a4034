import csv
import json

import numpy as np
import pytest

from tracklearn.tables.bootstrap import interval
from tracklearn.tables.cells import write_empty_cell, write_figures
from tracklearn.tables.evidence import drawn_over_seeds
from tracklearn.tables.frozen import frozen_table

ROWS = [
    {"id": "random", "label": "random nets", "models": ["r1", "r2"]},
    {"id": "ours", "label": "our net", "models": ["u1"]},
    {"id": "imagenet", "label": "ImageNet", "models": ["i1"]},
]
IMAGES = np.random.default_rng(0).normal(0, 4, 1000)  # what a draw of images adds to every network
SHARED = {
    "half": "report", "images": 100, "classes": 4, "features": "pool5", "train_images": 5, "training_draws": 2,
    "knn_k": 7, "precision_k": 9, "chance": {"linear": 25.0, "precision": 24.0},
}  # fmt: skip


@pytest.fixture
def joined(tmp_path):
    cells, bootstraps = [], []
    for model, linear in (("r1", 20.0), ("r2", 30.0), ("u1", 40.0)):
        cell, replicates = (tmp_path / kind / "sun8" / f"{model}{end}" for kind, end in (("c", ".json"), ("b", ".npz")))
        for path in (cell, replicates):
            path.parent.mkdir(parents=True, exist_ok=True)
        values = {"linear": linear, "knn": 10.0, "precision": 50.0}
        write_figures(cell, replicates, values=values, draws={n: v + IMAGES for n, v in values.items()}, **SHARED)
        cells.append(cell)
        bootstraps.append(replicates)
    cells.append(tmp_path / "c/sun8/i1.json")
    write_empty_cell(cells[-1], reason="no images; put them there")
    (tmp_path / "external.json").write_text(json.dumps({row["id"]: "0" for row in ROWS}))
    values = frozen_table(
        rows=ROWS, columns=["sun8"], cells=cells, bootstraps=bootstraps, external=tmp_path / "external.json",
        protocol="val", table=tmp_path / "t.csv", markdown=tmp_path / "t.md", page=tmp_path / "t.html",
    )  # fmt: skip
    with open(tmp_path / "t.csv", newline="") as file:
        return values, list(csv.DictReader(file)), (tmp_path / "t.md").read_text(), (tmp_path / "t.html").read_text()


def test_a_row_is_the_mean_of_its_networks_over_seeds_and_images(joined):
    values, rows, *_ = joined
    assert values == {"sun8.random": 25, "sun8.ours": 40}
    random, ours = (
        next(row for row in rows if (row["id"], row["figure"]) == (name, "linear")) for name in ("random", "ours")
    )
    seeds = drawn_over_seeds(np.stack([20 + IMAGES, 30 + IMAGES]), seed=0)
    assert [float(random["low"]), float(random["high"])] == pytest.approx(interval(seeds), abs=0.006)
    assert [float(ours["low"]), float(ours["high"])] == pytest.approx(interval(40 + IMAGES), abs=0.006)
    # Two seeds, 20 and 30, have a standard error of 5, and Student's t is 12.7; what the images add cancels out.
    student = [15 - 5 * 12.7, 15 + 5 * 12.7]
    assert [float(ours[name]) for name in ("difference_low", "difference_high")] == pytest.approx(student, rel=0.03)


def test_figures_are_named_with_their_settings_and_chance_and_halves_are_stated(joined):
    *_, markdown, page = joined
    for text in (markdown, page):
        for words in ("sun8", "7 nearest neighbours", "precision at 9", "(half: report)", "accuracy of 25.0"):
            assert words in text
        assert "ImageNet: no images; put them there" in text
    assert "| our net | 0 | 40.0 [" in markdown


def test_one_seed_s_draws_are_its_images(joined):
    np.testing.assert_array_equal(drawn_over_seeds(IMAGES[None]), IMAGES)
    assert {row["reason"] for row in joined[1] if row["id"] == "imagenet"} == {"no images; put them there"}


def test_videos_with_masks_have_notes_of_their_own(tmp_path):
    cell, replicates = tmp_path / "davis/u1.json", tmp_path / "davis/u1.npz"
    cell.parent.mkdir()
    values = {"J&F": 50.0, "J": 60.0, "F": 40.0}
    sequences = {"dog": {"objects": 1, "frames": 60}, "two": {"objects": 2, "frames": 40}}
    write_figures(
        cell, replicates, values=values, draws={name: value + IMAGES for name, value in values.items()},
        features="conv5", sequences=sequences, chance={"J&F": 12.34},
    )  # fmt: skip
    (tmp_path / "external.json").write_text('{"ours": "0"}')
    found = frozen_table(
        rows=ROWS[1:2], columns=["davis"], cells=[cell], bootstraps=[replicates], external=tmp_path / "external.json",
        protocol="val", table=tmp_path / "t.csv", markdown=tmp_path / "t.md", page=tmp_path / "t.html",
    )  # fmt: skip
    assert found == {"davis.ours": 50}
    markdown = (tmp_path / "t.md").read_text()
    assert "2 sequences with 3 objects and 100 frames" in markdown
    assert "Masks that stay where they are in the first frame have a J&F of 12.3." in markdown
    assert "| row | external | J&F | against our net | J | F |" in markdown
