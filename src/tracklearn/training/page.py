"""The page of an experiment's networks: what each learned from, how its training went, and its filters."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.colors import TABLEAU_COLORS
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from tracklearn.pages.rendering import Picture, render
from tracklearn.report import NO_MEASUREMENT

HOW = {  # columns of the page by the key of a model's entry; the column "loss" is that of the log
    **{key: key for key in ("train", "from", "subset", "pairs", "schedule", "seed")},
    "loss": "ranking loss",
}
STYLES = cycler(linestyle=["-", "--", ":", "-."]) * cycler(color=list(TABLEAU_COLORS))


def models_page(
    *,
    models: Mapping[str, Mapping[str, Any]],
    logs: Sequence[str | Path],
    filters: Sequence[str | Path],
    protocol: str,
    page: str | Path,
) -> dict[str, float]:
    """Write the page; every picture is inside the file.

    Args:
        models: the entry of each network, by name.
        logs: training logs of those that were trained, each in a folder named after its network.
        filters: pictures of conv1, each in a folder named after its network.
        protocol: name of the evaluation.
        page: the HTML file to write.

    Returns:
        The numbers of `networks` and of `trainings`.
    """
    trainings = {Path(path).parent.name: pd.read_csv(path) for path in logs}
    rows = [
        {"network": name}
        | {column: str(entry[key]) for key, column in HOW.items() if key in entry}
        | _last_row(trainings.get(name))
        for name, entry in models.items()
    ]
    columns = dict.fromkeys(["network", *HOW.values(), *(column for row in rows for column in row)])
    render(
        "models.html.jinja",
        page,
        models=pd.DataFrame(rows, columns=list(columns), dtype=object).dropna(axis=1, how="all").fillna("-"),
        curves=[Picture.of(curves(group), ", ".join(group)) for group in _by_columns(trainings)],
        filters=[Picture(Path(path).read_bytes(), Path(path).parent.name) for path in filters],
        protocol=protocol,
    )
    return {"networks": len(models), "trainings": len(trainings)}


def _last_row(log: pd.DataFrame | None) -> dict[str, str]:
    """The last row of a log, its counts as whole numbers and other figures with three digits."""
    if log is None:
        return {}
    figures = log.drop(columns=["lr", "waiting"]).iloc[-1]
    counts = ("iteration", "images_per_s")
    return {str(name): f"{value:,.0f}" if name in counts else f"{value:.3g}" for name, value in figures.items()}


def curves(logs: Mapping[str, pd.DataFrame]) -> Figure:
    """Loss and measurements of trainings of one kind against the iteration, with the legend beside the panels."""
    columns = [column for column in next(iter(logs.values())) if column not in NO_MEASUREMENT]
    figure = Figure(figsize=(3.5 * len(columns) + 2, 3), layout="constrained")
    for axes, column in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True):
        axes.set_prop_cycle(STYLES)
        for name, log in logs.items():
            axes.plot(log["iteration"], log[column], label=name, linewidth=1)
        axes.set(title=str(column).replace("_", " "), xlabel="iteration")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    return figure


def _by_columns(logs: Mapping[str, pd.DataFrame]) -> list[dict[str, pd.DataFrame]]:
    """The logs in groups that measure the same things, which are those of one kind of training."""
    kinds = dict.fromkeys(tuple(log.columns) for log in logs.values())
    return [{name: log for name, log in logs.items() if tuple(log.columns) == kind} for kind in kinds]
