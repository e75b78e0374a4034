import csv
import json

import numpy as np
import pytest

from tracklearn.tables.evidence import bounds, drawn_over_seeds, evidence_table

EVIDENCE = {
    "title": "Evidence on a world",
    "grants": "It grants the method everything.",
    "seeds": 2,
    "rows": ["scratch", "unsup"],
    "retrieval": {"random": ["random"], "unsup": ["unsup"]},
    "comparisons": [["unsup", "scratch"]],
}


@pytest.fixture
def made(tmp_path):
    rng = np.random.default_rng(0)
    draws = rng.normal(0, 5, 2000)  # what a draw of test images adds to every row
    means, bootstraps = [], []
    for row, values in (("scratch", [30, 34]), ("unsup", [36, 38])):
        for seed, value in enumerate(values, 1):
            name = row if seed == 1 else f"{row}-seed{seed}"
            (tmp_path / name).mkdir()
            path = tmp_path / name / "mAP.json"
            path.write_text(json.dumps({"row": name, "value": value}))
            np.savez(tmp_path / f"{name}.npz", mAP=value + draws)
            means.append(path)
            bootstraps.append(tmp_path / f"{name}.npz")
    cells, retrieval_bootstraps = [], []
    (tmp_path / "retrieval").mkdir()
    for name, precision in (("random", 20.0), ("random-seed2", 22.0), ("unsup", 30.0), ("unsup-seed2", 33.0)):
        cells.append(tmp_path / f"{name}.json")
        cells[-1].write_text(json.dumps({"value": precision, "chance": 12.5}))
        retrieval_bootstraps.append(tmp_path / f"retrieval/{name}.npz")
        np.savez(retrieval_bootstraps[-1], precision=precision + draws)
    result = evidence_table(
        evidence=EVIDENCE, means=means, bootstraps=bootstraps, retrieval=cells,
        retrieval_bootstraps=retrieval_bootstraps,
        markdown=tmp_path / "e.md", table=tmp_path / "e.csv",
        versions={"torch": {"2.13": 1, "2.14": 40}, "numpy": {"2.4": 41}},
    )  # fmt: skip
    return tmp_path, result


def test_means_are_over_seeds(made):
    assert made[1]["mAP.scratch"] == 32
    assert made[1]["mAP.unsup"] == 37
    assert made[1]["precision.random"] == 21
    text = (made[0] / "e.md").read_text()
    assert "| unsup | 31.5 | " in text and " | 2.1 | 30.0 33.0 |\n| chance | 12.5 |  |  |  |  |\n" in text


def test_interval_spans_the_seeds_and_not_the_shared_draws(made):
    # The gaps are 6 and 4 whatever images are drawn: their standard error is 1, and Student's t is 12.71.
    assert made[1]["low.unsup-scratch"] == pytest.approx(5 - 12.71, rel=0.02)
    assert "| unsup | scratch | 5.0 | -7.59 | 17.59 | +6.0 +4.0 |" in (made[0] / "e.md").read_text()


def test_precision_is_compared_with_the_first_line(made):
    # The gaps are 10 and 11: 10.5 +- 0.5 x 12.71.
    assert made[1]["low.precision.unsup-random"] == pytest.approx(10.5 - 6.35, rel=0.02)
    assert "| unsup | random | 10.5 | 4.21 | 16.79 | +10.0 +11.0 |" in (made[0] / "e.md").read_text()


def test_three_seeds_have_the_interval_of_student_s_t():
    """0.5, 1 and 3: 1.5 +- 4.303 x 0.764."""
    values = np.array([0.5, 1, 3])
    found = bounds(values, np.repeat(values[:, None], 1000, axis=1))
    assert [found["low"], found["high"]] == pytest.approx([-1.79, 4.79], rel=0.03)


def test_an_interval_of_three_seeds_holds_the_mean_of_their_population_in_95_percent():
    rng = np.random.default_rng(0)
    found = [bounds(values, np.repeat(values[:, None], 1000, axis=1)) for values in rng.standard_normal((1000, 3))]
    assert np.mean([each["low"] < 0 < each["high"] for each in found]) == pytest.approx(0.95, abs=0.015)


def test_draws_that_are_shifted_do_not_shift_the_interval():
    values, draws = np.array([20.0, 24, 25]), np.random.default_rng(0).normal(0, 2, 1000)
    draws -= draws.mean()
    as_they_are, shifted = (bounds(values, values[:, None] + draws + shift) for shift in (0, 3))
    assert shifted == as_they_are and as_they_are["low"] < 23 < as_they_are["high"]
    lacking = np.append(values[:, None] + draws, np.full((3, 1), np.nan), axis=1)
    assert bounds(values, lacking)["low"] == pytest.approx(as_they_are["low"], abs=0.5)
    assert np.isnan(bounds(values, np.zeros((3, 0)))["low"])


def test_the_order_and_the_scale_of_the_figures_do_not_matter():
    draws = np.random.default_rng(0).standard_normal((3, 500))
    drawn = drawn_over_seeds(draws)
    np.testing.assert_allclose(drawn_over_seeds(draws[::-1]), drawn)
    np.testing.assert_allclose(drawn_over_seeds(2 * draws + 7), 2 * drawn + 7)
    np.testing.assert_array_equal(drawn_over_seeds(draws[:1]), draws[0])


def test_the_page_says_what_the_data_grants(made):
    lines = (made[0] / "e.md").read_text().splitlines()
    assert lines[:3] == ["# Evidence on a world", "", "It grants the method everything."]


def test_the_csv_holds_the_rows_and_the_lines_of_retrieval(made):
    with open(made[0] / "e.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [[row[name] for name in ("figure", "of", "mean", "sd", "values")] for row in rows] == [
        ["mAP", "scratch", "32.0", "2.8", "30.0 34.0"],
        ["mAP", "unsup", "37.0", "1.4", "36.0 38.0"],
        ["precision", "random", "21.0", "1.4", "20.0 22.0"],
        ["precision", "unsup", "31.5", "2.1", "30.0 33.0"],
        ["precision", "chance", "12.5", "", ""],
    ]
    rows = rows[:-1]
    # Seeds alone would give mean +- 12.71 x sd / sqrt(2); the images' noise widens this.
    assert all(float(row["high"]) - float(row["mean"]) > 0.95 * 12.71 * float(row["sd"]) / 2**0.5 for row in rows)
    assert all(float(row["mean"]) - float(row["low"]) > 0.95 * 12.71 * float(row["sd"]) / 2**0.5 for row in rows)


def test_the_page_shows_libraries_with_several_versions(made):
    text = (made[0] / "e.md").read_text()
    assert "## Library versions" in text
    assert "| torch | 2.13 | 1 |" in text
    assert "numpy" not in text
