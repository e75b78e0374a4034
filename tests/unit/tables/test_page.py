import json

import numpy as np
import pandas as pd
import pytest

from tracklearn.tables.page import mean_bars, table1_page

RESULTS = pd.DataFrame(
    {
        "id": ["scratch", "unsup", "empty"],
        "row": ["scratch", "unsup + ft", "<b>pascal</b>"],
        "external": ["0", "8M", ""],
        "horse": [40.0, 44.25, np.nan],
        "mAP": [40.0, 44.0, np.nan],
        "mAP_low": [38.0, 42.0, np.nan],
        "mAP_high": [42.0, 46.0, np.nan],
        "mAP_11point": [39.0, 43.0, np.nan],
        "classes_in_mean": [1, 1, 0],
    }
)


@pytest.fixture
def made(tmp_path):
    """Writes a page from small inputs whose paths are those of an experiment."""
    RESULTS.to_csv(tmp_path / "table1.csv", index=False)
    columns = ["row", "against", "difference", "low", "high", "above_0"]
    pd.DataFrame([["unsup", "scratch", 4.0, 3.0, 5.0, 1.0]], columns=columns).to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "00000.png").write_bytes(b"sheet")
    (tmp_path / "00000.json").write_text(json.dumps({"pairs": 12, "videos": 3}))

    def make(**changes):
        pairs = {"sheets": [tmp_path / "00000.png"], "summaries": [tmp_path / "00000.json"]}
        arguments = pairs | changes
        metrics = table1_page(
            table=tmp_path / "table1.csv", differences=tmp_path / "d.csv",
            protocol="voc2007-test", page=tmp_path / "page.html", **arguments,
        )  # fmt: skip
        return metrics, (tmp_path / "page.html").read_text()

    return make


def test_the_page_shows_every_part_of_a_run(made):
    metrics, page = made()
    assert metrics["pictures"] == page.count("<img ") == 2
    assert "<h2>Table 1 (voc2007-test)</h2>" in page
    assert "<td>44.2</td>" in page  # one digit
    assert page.index("<th>mAP</th>") < page.index("<th>horse</th>")
    assert "<td>4.0</td>\n      <td>3.0</td>" in page
    assert "shard 00000: 12 pairs from 3 videos; query above, tracked below" in page
    assert '<a href="../../models/voc2007-test/models.html">' in page
    assert "section6.html" not in page
    assert "table2.html" not in page
    page = made(section6=True, table2=True)[1]
    assert '<a href="section6.html">' in page
    assert '<a href="table2.html">' in page
    assert '<a href="../../figures/voc2007-test/figures.html">' in page


def test_what_an_experiment_lacks_is_left_out(made, tmp_path):
    (tmp_path / "d.csv").write_text("row,against,difference,low,high,above_0\n")
    metrics, page = made(sheets=[], summaries=[])
    assert metrics["pictures"] == page.count("<img ") == 1
    for part in ("Mined pairs", "Differences"):
        assert part not in page
    assert "Library versions" not in page
    assert "<td>-</td>" in page


def test_names_are_text_and_no_markup(made):
    assert "&lt;b&gt;pascal&lt;/b&gt;" in made()[1]


def test_a_library_of_several_versions_is_named(made):
    section = made(versions={"torch": {"2.11": 30, "2.12": 5}, "numpy": {"2.4": 35}})[1].partition("Library versions")[
        2
    ]
    assert "re-runs nothing" in section
    assert "<td>torch</td>\n      <td>2.12</td>\n      <td>5</td>" in section
    assert "numpy" not in section


def test_rows_without_a_mean_have_no_bar():
    axes = mean_bars(RESULTS).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [40, 44]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["scratch", "unsup + ft 8M"]


def test_rows_and_classes_lead_to_their_detections(made):
    page = made(rows_with_pages=["scratch", "unsup"], compared=[["unsup", "scratch"]])[1]
    folder = "../../detection/voc2007-test"
    assert f'<td><a href="{folder}/pages/unsup.html">unsup + ft</a></td>' in page
    assert f'<td><a href="{folder}/pages/unsup/horse.html">44.2</a></td>' in page
    assert f'<a href="{folder}/compared/unsup/scratch.html">unsup and scratch</a>' in page
    assert "pages/empty" not in page
    assert "No page of detections: empty." in page
    assert "A row's name leads" in page
    without = made()[1]
    assert "No page of detections: scratch, unsup, empty." in without
    assert "A row's name leads" not in without
