"""The configuration, checked before anything runs.

`tracklearn.settings` knows each setting by itself; here is what settings must be to each other. Nothing here imports
more than the standard library and pydantic, because every `snakemake -n` runs it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tracklearn.errors import UserError
from tracklearn.experiment.model_graph import (
    Config,
    backbone_of,
    check_known,
    check_models,
    retrieval_models,
    with_seeds,
)
from tracklearn.experiment.normals_plan import METHODS as NORMALS_METHODS
from tracklearn.settings.experiment import Configuration
from tracklearn.settings.frozen import CELLS, FIGURES
from tracklearn.settings.models import layers_of
from tracklearn.settings.scenes import Scenes

MOST_VALUES, DEEPEST = 1_000_000, 50

METHODS = {"elda": "section 6", "gist": "section 6", **dict.fromkeys(NORMALS_METHODS, "Table 2")}
"""Methods without a model, whose cells lie beside those of the models, by table."""


def complete(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with every default filled in, checked as a whole.

    The order of keys, and whether a number is written 1 or 1.0, make no difference.

    Raises:
        UserError: an unknown key, a value out of range, settings that do not fit each other, or a model graph that no
            order of trainings can compute; names the entry.
    """
    _extent(config, {})
    whole = Configuration.read(config).complete()
    check_models(whole)
    _check_rows(whole)
    _check_normals(whole)
    _check_frozen(whole)
    _check_questions(whole)
    _check_layers(whole)
    _check_frame(whole)
    _check_scenes(whole)
    return whole


def _extent(values: Any, known: dict[int, int], depth: int = 0) -> int:
    """Number of values that nested values stand for; YAML's aliases make a few lines stand for more than memory holds.

    Args:
        known: numbers by id of the object, 0 while it is being counted.

    Raises:
        UserError: too many or too deep, or values that contain themselves.
    """
    if not isinstance(values, Mapping | list | tuple):
        return 1
    parts = values.values() if isinstance(values, Mapping) else values
    if id(values) not in known:
        known[id(values)] = 0
        if depth < DEEPEST:
            known[id(values)] = 1 + sum(_extent(part, known, depth + 1) for part in parts)
    if not 0 < known[id(values)] <= MOST_VALUES:
        raise UserError("config: aliases or brackets stand for more values than a configuration has; write them out")
    return known[id(values)]


def check_patches(config: Config) -> None:
    """Check that ranking networks take patches as they are stored; only they read patches.

    Raises:
        UserError: patches have another size than the networks' input.
    """
    size, input_size = config["patches"]["size"], config["network"]["input_size"]
    if size != input_size:
        raise UserError(
            f"config: patches.size is {size}, network.input_size {input_size}; "
            "the network takes patches as they are stored: make them equal"
        )


def _check_rows(config: Config) -> None:
    for name, table in METHODS.items():
        if name in config["models"]:
            raise UserError(f"config: models.{name}: {name} is a method of {table}; give the model another name")
    section6 = config["section6"] or {}
    ids = {row["id"] for row in config["table1"]}
    _check_ids("table1 and section6.detection", [*config["table1"], *section6.get("detection", [])])
    _check_ids("section6.retrieval", section6.get("retrieval", []))
    _check_ids("section6.scenes", section6.get("scenes", []))
    _check_ids("table2", config["table2"])
    for table, rows in {
        "table1": config["table1"],
        "table2": config["table2"],
        **{f"section6.{task}": section6[task] for task in section6},
    }.items():
        for row in rows:
            for model in row["models"]:
                check_known(f"config: {table} row {row['id']}", "model", model, config["models"])
    for pair in config["comparisons"]:
        for row_id in pair:
            # A folder's own `table1` replaces the paper's rows; the paper's comparisons stay until it replaces them.
            check_known("config: comparisons", "row", row_id, ids, otherwise="; or write `comparisons: []`")
    figures = config["figures"]
    for key, models in {"unit_model": [figures["unit_model"]], "conv1_models": figures["conv1_models"]}.items():
        for model in filter(None, models):
            check_known(f"config: figures.{key}", "model", model, config["models"])
    if evidence := config["evidence"]:
        for row_id in [*evidence["rows"], *(row for pair in evidence["comparisons"] for row in pair)]:
            check_known("config: evidence", "row", row_id, ids)
        for model in retrieval_models(evidence):
            check_known("config: evidence.retrieval", "model", model, config["models"])


def _check_normals(config: Config) -> None:
    """Refuse models in Table 2 and in its evidence that were not trained on normals."""
    named = [(f"table2 row {row['id']}", row["models"]) for row in config["table2"]]
    if evidence := config["evidence_normals"]:
        named += [(f"evidence_normals.lines.{line}", models) for line, models in evidence["lines"].items()]
    for entry, models in named:
        for model in models:
            check_known(f"config: {entry}", "model", model, config["models"])
            if (train := config["models"][model]["train"]) != "normals":
                raise UserError(
                    f"config: {entry}: models.{model} has train: {train}; expected a model with train: normals, such "
                    f"as `{{train: normals, from: {model}, schedule: normals}}`"
                )


def _check_frozen(config: Config) -> None:
    """Check the rows of frozen networks, which may name the copies that `evidence:` makes for further seeds."""
    rows = config["frozen"]["rows"] if config["frozen"] else []
    _check_ids("frozen.rows", rows)
    models = with_seeds(config)["models"] if rows else {}
    for row in rows:
        for model in row["models"]:
            check_known(f"config: frozen row {row['id']}", "model", model, models)


def _check_questions(config: Config) -> None:
    """Check the names that the questions refer to."""
    _check_ids("questions", config["questions"])
    frozen = config["frozen"] or {"sets": {}, "masks": {}, "pairs": {}}
    rows = {row["id"] for row in config["table1"]}
    for question in config["questions"]:
        entry = f"config: question {question['id']}"
        for model in (model for models in question["lines"].values() for model in models):
            check_known(entry, "model", model, config["models"])
        for row in question["detection"].values():
            check_known(entry, "row", row, rows)
        kinds = ["sets"] if question["ensembles"] else [*FIGURES]
        known = [f"{column}.{figure}" for kind in kinds for column in frozen[kind] for figure in FIGURES[kind]]
        for figure in question["figures"]:
            check_known(entry, "figure", figure, known)


def _check_layers(config: Config) -> None:
    """Refuse a layer that networks of a row or of a question lack because of their backbone."""
    section6 = config["section6"] or {}
    named = [
        (f"{table} row {row['id']}", row["layer"], row)
        for table, rows in {"table1": config["table1"], "section6.detection": section6.get("detection", [])}.items()
        for row in rows
    ]
    named += [("retrieval.layer", config["retrieval"]["layer"], row) for row in section6.get("retrieval", [])]
    named += [("scenes.layer", config["scenes"]["layer"], row) for row in section6.get("scenes", [])]
    models = config
    if frozen := config["frozen"]:
        models = with_seeds(config)
        for column, names in _frozen_models(config).items():
            if column in frozen["masks"]:
                _check_cells(models, names)
            elif layer := frozen["pairs"].get(column, {}).get("layer"):
                named.append((f"frozen.pairs.{column}.layer", layer, {"models": names}))
            else:
                named.append(("frozen.layer", frozen["layer"], {"models": names}))
    for where, layer, row in named:
        for model in row["models"]:
            backbone, train = backbone_of(models, model), models["models"][model]["train"]
            known = layers_of(backbone, train)
            if layer not in known:
                raise UserError(
                    f"config: {where}: models.{model} ({backbone}, train: {train}) has no {layer}; "
                    f"choose one of {', '.join(known)}"
                )


def _frozen_models(config: Config) -> dict[str, list[str]]:
    """The models whose features the table of frozen networks and the questions evaluate, by column."""
    frozen = config["frozen"]
    of_rows = [model for row in frozen["rows"] for model in row["models"]]
    models = {column: [*of_rows] for kind in FIGURES for column in frozen[kind]}
    for question in config["questions"]:
        for column in {figure.rpartition(".")[0] for figure in question["figures"]}:
            models[column] += [model for line in question["lines"].values() for model in line]
    return models


def _check_cells(config: Config, models: Sequence[str]) -> None:
    """Refuse a layer of masks that has no cells in a model's backbone."""
    layer = config["frozen"]["propagation"]["layer"]
    for model in models:
        known = CELLS[backbone := backbone_of(config, model)]
        if layer not in known:
            raise UserError(
                f"config: frozen.propagation.layer: models.{model} ({backbone}) has no cells in {layer}; choose one of "
                f"{', '.join(known)}"
            )


def _check_scenes(config: Config) -> None:
    """Refuse to download other lists: MIT Indoor-67 would be unpacked into a folder of the user's photos."""
    scenes = config["scenes"]
    if scenes["download"] and scenes["lists"] != Scenes().complete()["lists"]:
        lists = " and ".join(scenes["lists"] or ["null"])
        raise UserError(
            f"config: scenes.lists is {lists}, not MIT Indoor-67's lists; set scenes.download: false, or take lists out"
        )


def _check_ids(where: str, rows: Sequence[Config]) -> None:
    counts = Counter(row["id"] for row in rows)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise UserError(f"config: {where}: two rows have the id {twice[0]}; an id is a target and must be unique")


def _check_frame(config: Config) -> None:
    box, frame = config["mining"]["filter"]["box"], config["mining"]["frame"]
    if box > min(frame.values()):
        raise UserError(
            f"config: mining.filter.box is {box}; expected at most the frame's {min(frame.values())} pixels"
        )
