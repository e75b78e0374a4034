"""The table of section 6: what the features show without fine-tuning, beside the paper's numbers (PAPER §6.1)."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tracklearn.files import read_json
from tracklearn.npz import read_arrays
from tracklearn.settings.base import Block
from tracklearn.settings.tables import Section6
from tracklearn.tables.cells import Cell, read_cell
from tracklearn.tables.compared import Line, Part, bars, csv_rows, grouped, line_of, metrics, write_compared
from tracklearn.tables.formats import write_csv

PAPER = Path(__file__).with_name("paper") / "section6.csv"  # as printed
TITLES = {
    "detection": "Detection without fine-tuning",
    "retrieval": "Retrieval: do the nearest windows show the query's class?",
    "scenes": "Scenes",
}
FIRST = {"detection": "mAP", "retrieval": "precision", "scenes": "accuracy"}  # the figures that the paper prints
WORDS = {
    "mAP": "mAP",
    "precision": "precision at {k}",
    "hit_rate": "hit rate at {k}",
    "precision_class_mean": "precision at {k}, mean over classes",
    "hit_rate_class_mean": "hit rate at {k}, mean over classes",
    "accuracy": "accuracy",
    "accuracy_class_mean": "accuracy, mean over classes",
    "knn_accuracy": "accuracy of {k} nearest neighbours",
    "knn_accuracy_class_mean": "accuracy of {k} nearest neighbours, mean over classes",
}
EXPLANATION = (
    "All figures are percentages; in brackets is the 95% interval of a bootstrap over the evaluation images. A row of "
    "several networks, such as random ones, shows the mean over these networks. Beside the first figure stands its "
    "difference to the row in the heading, with a paired bootstrap."
)
PAPERS_IMAGES = (
    " The paper's numbers of detection may be for other images of VOC 2012 (its Table 1 is for the test images), so a "
    "difference to them is not an error."
)


def section6_table(
    *,
    rows: Block,
    cells: Sequence[str | Path],
    bootstraps: Sequence[str | Path],
    external: str | Path,
    protocol: str,
    papers_data: Sequence[str] = (),
    ridge: float = np.inf,
    figure7: bool = False,
    table: str | Path,
    markdown: str | Path,
    page: str | Path,
    paper: str | Path = PAPER,
    versions: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, float]:
    """Join the cells of section 6 (PAPER §6.1: mAP, retrieval rate and accuracy, in percent).

    Args:
        rows: block `settings.tables.Section6`.
        cells: the files of `cells.write_figures` or `write_empty_cell`, each `{task}/{system}.json`; a system is a row
            of detection, a model, or a method without models.
        bootstraps: the replicates of the cells with figures, each `{task}/{protocol}/bootstraps/{system}.npz`.
        external: JSON of the column of external data, {task/row id: text}.
        protocol: name of the evaluation that made the cells.
        papers_data: rows, as `{task}/{id}`, of the paper's images, layer and number of neighbours; only there the
            paper's numbers stand beside ours.
        ridge: setting of ELDA's ridge; the table says where a larger one was needed.
        figure7: whether there is a page of figure 7, to which this page links.
        table, markdown, page: the files to write.
        paper: the paper's numbers as CSV.
        versions: number of runs behind this table by library and version.

    Returns:
        The first figure of each row that has one.
    """
    settings = Section6.read(rows)
    paths, draws_paths = [*map(Path, cells)], [*map(Path, bootstraps)]
    by_task = {task: {path.stem: read_cell(path) for path in paths if path.parent.name == task} for task in TITLES}
    draws = {task: {path.stem: read_arrays(path) for path in draws_paths if path.parts[-4] == task} for task in TITLES}
    texts = read_json(external)
    printed = paper_numbers(paper)
    tasks = {
        task: [
            line_of(
                row,
                by_task[task],
                draws[task],
                external=texts[f"{task}/{row.id}"],
                printed={FIRST[task]: printed[task, row.paper]}
                if row.paper and f"{task}/{row.id}" in papers_data
                else {},
            )
            for row in own
        ]
        for task in TITLES
        if (own := getattr(settings, task))
    }
    write_csv(table, [{"task": task, **row} for task, lines in tasks.items() for row in csv_rows(lines)])
    of_detection = any(each.printed for each in tasks.get("detection", []))
    write_compared(
        title=f"Section 6 ({protocol})",
        explanation=EXPLANATION + (PAPERS_IMAGES if of_detection else ""),
        parts=[_part(task, lines, by_task[task], ridge) for task, lines in tasks.items()],
        lines=[each for lines in tasks.values() for each in lines],
        versions=versions,
        markdown=markdown,
        template="section6.html.jinja",
        page=page,
        protocol=protocol,
        figure7=figure7,
    )
    return {f"{task}.{row}": value for task, lines in tasks.items() for row, value in metrics(lines).items()}


def paper_numbers(path: str | Path = PAPER) -> dict[tuple[str, str], float]:
    """The paper's number in percent by task and row."""
    with open(path, newline="") as file:
        return {(row["task"].split()[0], row["system"]): float(row["value_pct"]) for row in csv.DictReader(file)}


def _part(task: str, lines: Sequence[Line], by_system: Mapping[str, Cell], ridge: float) -> Part:
    """A task's notes, tables and bars."""
    cells = [cell for cell in by_system.values() if cell["value"] is not None]
    k = next((cell["k"] for cell in cells if "k" in cell), "k")
    figures = next((list(each.values) for each in lines if each.values), [FIRST[task]])
    words = {name: WORDS.get(name, name).format(k=k) for name in figures}
    picture = bars(lines, words[figures[0]], "%")
    return Part(TITLES[task], _notes(task, cells, ridge), grouped(lines, words), picture)


def _notes(task: str, cells: Sequence[Cell], ridge: float) -> list[str]:
    """What a table's figures are to be read with: the figure of chance, and a ridge that ELDA had to grow."""
    notes = []
    if task == "retrieval" and cells:
        notes.append(f"Windows at random have a precision of {cells[0]['chance']:.1f}.")
    if task == "scenes" and cells:
        number = len(cells[0]["classes"])
        notes.append(f"A guess among the {number} categories has an accuracy of {100 / number:.1f}.")
    if largest := max((cell["ridge"] for cell in cells if cell.get("ridge", 0) > ridge), default=None):
        notes.append(
            f"ELDA needed a ridge of {largest:g} in place of {ridge:g}: with less, its covariance is singular."
        )
    return notes
