"""The report of a finished run (`snakemake --report`)."""

import json
import re
import zipfile
from pathlib import Path

CONTENT = {
    "4 Patch mining": {"Figures": ["figure2.png", "figure3.png"], "Pages": ["pairs.html"]},
    "5 Learning from videos": {"Pages": ["models.html"]},
    "6.1 Features without fine-tuning": {
        "Figures": ["figure5.png", "figure6.png", "figure7.html"],
        "Pages": ["scenes.html"],
        "Tables": ["section6.csv", "section6.html"],
    },
    "6.2.1 Object detection": {"Tables": ["differences.csv", "table1.csv", "table1.html"]},
    "6.2.2 Surface normals": {"Figures": ["figure8.html", "figure8.png"], "Tables": ["table2.csv", "table2.html"]},
    "Figures beside the paper's": {"Figures": ["figures.html"]},
}


def embedded(html: str, name: str) -> dict:
    """A variable of the report's scripts."""
    return json.loads(re.search(rf"var {name} = (\{{.*?\}});?\n", html)[1])


def test_the_report_holds_every_table_and_figure_by_section(checkout, tmp_path):
    checkout.snakemake("--report", str(tmp_path / "report.zip"))
    with zipfile.ZipFile(tmp_path / "report.zip") as report:
        html = report.read("report/report.html").decode()
        held = {Path(name).name for name in report.namelist()}
    categories, results = embedded(html, "categories"), embedded(html, "results")
    found = {
        category: {name: sorted(Path(path).name for path in paths) for name, paths in groups.items()}
        for category, groups in categories.items()
    }
    assert found == CONTENT
    folder = checkout.root / "demo/results"
    made = {path.name for kind in ("*.csv", "*.html", "**/figure[0-9].png") for path in folder.glob(kind)}
    assert len(made) >= 13
    assert made - {"index.html"} <= held  # the index only leads to the other pages
    for path, result in results.items():
        assert result["caption"].startswith("<p>"), path
        assert len(result["labels"]["content"]) > 5
    assert "System Message" not in html  # of captions that are no reStructuredText
    assert checkout.planned() == {}
