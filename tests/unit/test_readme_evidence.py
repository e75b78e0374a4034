"""The README's figures of the evidence are those of docs/evidence.md."""

import re

import numpy as np

FIGURE = re.compile(r"(-?\d+\.\d)[a-zA-Z ]* \[(-?\d+\.\d), (-?\d+\.\d)\]")

# The heading, the row's first cells, and the row that it is compared with, in the order of the README.
CITED = [
    ("Evidence on the small world", "unsup-ft-8M | scratch"),
    ("Evidence on the harder world", "unsup-ft-8M | scratch"),
    ("Evidence on the harder world", "unsup-ft-8M | scratch-long"),
    ("Does pretraining on real clips help on photos that no clip shows?", "mAP | Eq. 2 | random"),
    ("Does pretraining on real clips help on photos that no clip shows?", "mAP | InfoNCE | random"),
    ("Does pretraining on real clips help on photos that no clip shows?", "sun8.precision | Eq. 2 | random"),
    ("Does pretraining on real clips help on photos that no clip shows?", "sun8.precision | InfoNCE | random"),
    ("Does pretraining on real clips help on photos that no clip shows?", "sun8.knn | InfoNCE | random"),
    ("Does pretraining on real clips help on photos that no clip shows?", "sun8.knn | InfoNCE | scaled by data"),
    ("Real clips: does tracking beat its controls?", "sun8.precision | tracked | untrained"),
    ("Real clips: does tracking beat its controls?", "sun8.precision | tracked | one-patch"),
    ("Real clips: does tracking beat its controls?", "sun8.precision | tracked | still"),
    ("Real clips: does tracking beat its controls?", "sun8.precision | tracked | random-box"),
]


def test_the_readme_cites_the_tables_of_the_evidence(repository):
    readme = (repository / "README.md").read_text(encoding="utf-8")
    evidence = (repository / "docs/evidence.md").read_text(encoding="utf-8")
    findings = re.search(r"\n\[docs/evidence\.md\]\(docs/evidence\.md\) asks\b.*?:\n\n.*?\n\n", readme, re.DOTALL)[0]
    cited = [tuple(map(float, figure)) for figure in FIGURE.findall(" ".join(findings.split()))]
    assert len(cited) == len(CITED)
    for figures, (heading, row) in zip(cited, CITED, strict=True):
        section = evidence.split(f"\n## {heading}\n")[1].split("\n## ")[0]
        cells = re.search(rf"^\| {re.escape(row)} \| (\S+) \| (\S+) \| (\S+) \|", section, re.MULTILINE)
        measured = [float(cell) for cell in cells.groups()]  # difference, low, high
        assert np.abs(np.subtract(figures, measured)).max() < 0.0501, (row, figures, measured)
