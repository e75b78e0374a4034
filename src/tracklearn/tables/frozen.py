"""The table of frozen networks: each row is a method, over the seeds of its networks, on each data set."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tracklearn.files import read_json
from tracklearn.npz import read_arrays
from tracklearn.settings.base import Block
from tracklearn.settings.frozen import FrozenRow
from tracklearn.tables.cells import Cell, read_cell
from tracklearn.tables.compared import Line, Part, bars, csv_rows, grouped, metrics, write_compared
from tracklearn.tables.evidence import drawn_over_seeds
from tracklearn.tables.formats import write_csv

WORDS = {
    "linear": "linear probe",
    "knn": "{knn_k} nearest neighbours",
    "precision": "precision at {precision_k}",
    "recall": "recall among all patches",
    "recall_other_clips": "recall among patches of other clips",
}
EXPLANATION = (
    "Features of networks that are trained no further. All figures are percentages. A row of several networks, which "
    "are seeds of one method, shows their mean. In brackets is the 95% interval: of one network over the evaluation "
    "images, of several over the images and the seeds. Beside the first figure stands its difference to the row in the "
    "heading, paired over the images."
)


def frozen_table(
    *,
    rows: Sequence[Block],
    columns: Sequence[str],
    cells: Sequence[str | Path],
    bootstraps: Sequence[str | Path],
    external: str | Path,
    protocol: str,
    table: str | Path,
    markdown: str | Path,
    page: str | Path,
    versions: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, float]:
    """Join the cells of frozen networks: a part of the table for each data set, with the rows in each part.

    A row's figure is the mean over its S networks. Each draw behind its interval takes one draw of the images, the same
    for all networks and rows, and one of Student's t for the spread of the networks (see `evidence.drawn_over_seeds`).
    Different rows take independent draws of the latter, so that a difference is paired over the images and not over the
    seeds; where seeds of two rows share something, its interval is too wide rather than too narrow. With one network a
    row, the intervals are over the images alone.

    Args:
        rows: blocks `settings.frozen.FrozenRow`, in the order of the table.
        columns: names of the data sets, in the order of the parts.
        cells: the files of `cells.write_figures` or `write_empty_cell`, each `{column}/{model}.json`.
        bootstraps: the replicates of the cells with figures, each `{column}/{model}.npz`.
        external: JSON of the column of external data, {row id: text}.
        protocol: name of the protocol, in whose folder the files lie.
        table, markdown, page: the files to write.
        versions: number of runs behind this table by library and version.

    Returns:
        The first figure of each row that has one, by `{column}.{row id}`.
    """
    settings = [FrozenRow.read(row) for row in rows]
    texts = read_json(external)
    found = {_key(path): read_cell(path) for path in cells}
    draws = {_key(path): read_arrays(path) for path in bootstraps}
    parts, of_table, every = [], [], []
    values: dict[str, float] = {}
    for column in columns:
        own = {model: cell for (of, model), cell in found.items() if of == column}
        lines = [
            _line(
                row, own, {model: arrays for (of, model), arrays in draws.items() if of == column}, texts[row.id], place
            )
            for place, row in enumerate(settings)
        ]
        every += lines
        of_table += [{"set": column, **line} for line in csv_rows(lines)]
        values |= {f"{column}.{row}": value for row, value in metrics(lines).items()}
        parts.append(_part(column, lines, own))
    write_csv(table, of_table)
    write_compared(
        title=f"Frozen networks ({protocol})",
        explanation=EXPLANATION,
        parts=parts,
        lines=every,
        versions=versions,
        markdown=markdown,
        template="frozen.html.jinja",
        page=page,
        protocol=protocol,
    )
    return values


def _key(path: str | Path) -> tuple[str, str]:
    """Column and model of a cell or of its replicates."""
    return Path(path).parent.name, Path(path).stem


def _line(
    row: FrozenRow, cells: Mapping[str, Cell], draws: Mapping[str, Mapping[str, np.ndarray]], external: str, place: int
) -> Line:
    """A row; `place` is the seed of its draws of networks."""
    own = [cells[model] for model in row.models]
    reason = next((cell["reason"] for cell in own if cell["value"] is None), None)
    names = [] if reason else list(own[0]["figures"])
    return Line(
        id=row.id,
        label=row.label,
        external=external,
        counterpart=False,
        printed={},
        values={name: float(np.mean([cell["figures"][name]["value"] for cell in own])) for name in names},
        draws={
            name: drawn_over_seeds(np.stack([draws[model][name] for model in row.models]), seed=place) for name in names
        },
        reason=reason,
    )


def _part(column: str, lines: Sequence[Line], by_model: Mapping[str, Cell]) -> Part:
    """A data set's notes, table and bars."""
    cells = [cell for cell in by_model.values() if cell["value"] is not None]
    figures = next((list(each.values) for each in lines if each.values), [])
    words = {name: WORDS.get(name, name).format(**cells[0]) for name in figures}
    return Part(
        column,
        _notes(cells[0]) if cells else [],
        grouped(lines, words),
        bars(lines, words[figures[0]], "%") if cells else None,
    )


def _notes(cell: Cell) -> list[str]:
    """What was evaluated, and what chance gives."""
    if "sequences" in cell:
        objects, frames = (sum(one[name] for one in cell["sequences"].values()) for name in ("objects", "frames"))
        return [
            f"{len(cell['sequences'])} sequences with {objects} objects and {frames:,} frames. The masks of the first "
            f"frame are propagated by {cell['features']}. J and F are those of DAVIS 2017: means over objects of their "
            "means over all frames but the first and the last. Intervals are over sequences in place of images.",
            f"Masks that stay where they are in the first frame have a J&F of {cell['chance']['J&F']:.1f}.",
        ]
    if "pairs" in cell:
        return [
            f"{cell['pairs']:,} pairs of {cell['clips']} clips, described by {cell['features']}. A query is right if "
            "its tracked patch is nearer to it than all other patches. Intervals are over clips in place of images.",
            f"A guess has a recall of {cell['chance']['recall']:.1f}.",
        ]
    half = "" if cell["half"] == "all" else f" (half: {cell['half']})"
    return [
        f"{cell['images']:,} photos of {cell['classes']} categories{half}, described by {cell['features']}. The probe "
        f"and the neighbours learn from {cell['train_images']} photos of each category, and their accuracies are means "
        f"over categories and over {cell['training_draws']} draws of these photos.",
        f"A guess has an accuracy of {cell['chance']['linear']:.1f}, and photos at random a precision of "
        f"{cell['chance']['precision']:.1f}.",
    ]
