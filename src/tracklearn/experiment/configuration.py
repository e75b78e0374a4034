"""The configuration, checked before anything runs.

`tracklearn.settings` knows each setting by itself; here is what settings must be to each other. Nothing here imports
more than the standard library and pydantic, because every `snakemake -n` runs it.
"""

from collections.abc import Mapping
from typing import Any

from tracklearn.errors import UserError
from tracklearn.experiment.model_graph import Config, check_known, check_models, retrieval_models
from tracklearn.settings.experiment import Configuration


def complete(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with every default filled in, checked as a whole.

    The order of keys, and whether a number is written 1 or 1.0, make no difference.

    Raises:
        UserError: an unknown key, a value out of range, settings that do not fit each other, or a model graph that no
            order of trainings can compute; names the entry.
    """
    whole = Configuration.read(config).complete()
    check_models(whole)
    _check_rows(whole)
    _check_frame(whole)
    return whole


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
    ids: set[str] = set()
    for row in config["table1"]:
        if row["id"] in ids:
            raise UserError(f"config: table1: two rows have the id {row['id']}; an id is a target and must be unique")
        ids.add(row["id"])
        for model in row["models"]:
            check_known(f"config: table1 row {row['id']}", "model", model, config["models"])
    for pair in config["comparisons"]:
        for row_id in pair:
            # A folder's own `table1` replaces the paper's rows; the paper's comparisons stay until it replaces them.
            check_known("config: comparisons", "row", row_id, ids, otherwise="; or write `comparisons: []`")
    for model in config["retrieval"]["models"]:
        check_known("config: retrieval", "model", model, config["models"])
    if evidence := config["evidence"]:
        for row_id in [*evidence["rows"], *(row for pair in evidence["comparisons"] for row in pair)]:
            check_known("config: evidence", "row", row_id, ids)
        for model in retrieval_models(evidence):
            check_known("config: evidence.retrieval", "model", model, config["models"])


def _check_frame(config: Config) -> None:
    box, frame = config["mining"]["filter"]["box"], config["mining"]["frame"]
    if box > min(frame.values()):
        raise UserError(
            f"config: mining.filter.box is {box}; expected at most the frame's {min(frame.values())} pixels"
        )
