import json

import numpy as np
import pytest

from tracklearn.tables.evidence import evidence_table

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
        cells[-1].write_text(json.dumps({"value": precision}))
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
    assert "| unsup | 31.5 | 2.1 | 30.0 33.0 | 1.50 |" in (made[0] / "e.md").read_text()


def test_interval_spans_the_seeds_and_not_the_shared_draws(made):
    # The gaps are 6 and 4 whatever images are drawn; stretched by the root of 2, two draws of them reach 5 +- 1.41.
    assert made[1]["low.unsup-scratch"] == pytest.approx(3.59)
    assert "| unsup | scratch | 5.0 | 3.59 | 6.41 | +6.0 +4.0 |" in (made[0] / "e.md").read_text()


def test_precision_is_compared_with_the_first_line(made):
    # The gaps are 10 and 11: 10.5 +- 0.71.
    assert made[1]["low.precision.unsup-random"] == pytest.approx(9.79)
    assert "| unsup | random | 10.5 | 9.79 | 11.21 | +10.0 +11.0 |" in (made[0] / "e.md").read_text()


def test_the_page_says_what_the_data_grants(made):
    lines = (made[0] / "e.md").read_text().splitlines()
    assert lines[:3] == ["# Evidence on a world", "", "It grants the method everything."]


def test_the_csv_holds_the_rows_and_the_lines_of_retrieval(made):
    assert (made[0] / "e.csv").read_text().splitlines() == [
        "figure,of,mean,sd,values,ratio",
        "mAP,scratch,32.0,2.8,30.0 34.0,",
        "mAP,unsup,37.0,1.4,36.0 38.0,",
        "precision,random,21.0,1.4,20.0 22.0,1.00",
        "precision,unsup,31.5,2.1,30.0 33.0,1.50",
    ]


def test_the_page_shows_libraries_with_several_versions(made):
    text = (made[0] / "e.md").read_text()
    assert "## Library versions" in text
    assert "| torch | 2.13 | 1 |" in text
    assert "numpy" not in text
