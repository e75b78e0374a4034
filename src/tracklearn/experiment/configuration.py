"""The experiment that a configuration describes: checked before anything runs, then asked by the workflow.

Nothing here imports more than the standard library and jsonschema, because every `snakemake -n` runs it.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema

from tracklearn.errors import UserError

Config = Mapping[str, Any]

# What an entry of `models:` needs beside `train`, by the way it is trained.
NEEDS = {
    "none": set(),
    "given": {"weights"},
    "ranking": {"from", "subset", "schedule"},
    "imagenet": {"from", "schedule"},
    "voc": {"from", "schedule"},
}
MAY_HAVE = {"none": {"seed"}, "given": set(), "ranking": {"seed"}, "imagenet": {"seed"}, "voc": {"seed", "transfer"}}
# Keys of a schedule that only one kind of training has.
RANKING_KEYS = {"hard_from"}
SOFTMAX_KEYS = {"dropout", "fc8_lr"}


def check(config: Config, schema: Mapping[str, Any]) -> None:
    """Check a whole configuration.

    Raises:
        UserError: an unknown key, a value of the wrong kind, or a model graph that cannot be computed; names the entry.
    """
    _check_schema(config, schema)
    _check_models(config)
    _check_rows(config)
    _check_sizes(config)
    for name, subset in config["subsets"].items():
        first, last = subset["share"]
        if first >= last:
            raise UserError(f"config: subsets.{name}.share is [{first}, {last}]; expected an interval from low to high")


def _check_schema(config: Config, schema: Mapping[str, Any]) -> None:
    for error in jsonschema.Draft202012Validator(schema).iter_errors(dict(config)):
        place = ".".join(str(part) for part in error.absolute_path)
        if error.validator == "additionalProperties":
            known = list(error.schema.get("properties", {}))
            unknown = next(key for key in error.instance if key not in known)
            close = difflib.get_close_matches(unknown, known, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
            raise UserError(f"config: {f'{place}.{unknown}' if place else unknown}: unknown key; {remedy}")
        raise UserError(f"config: {place or 'top level'}: {error.message}; see config/README.md")


def _check_models(config: Config) -> None:
    models = config["models"]
    for name, model in models.items():
        entry, train = f"config: models.{name}", model["train"]
        given = set(model) - {"train"}
        if missing := NEEDS[train] - given:
            raise UserError(f"{entry}: train: {train} needs {', '.join(sorted(missing))}")
        if useless := given - NEEDS[train] - MAY_HAVE[train]:
            raise UserError(f"{entry}: train: {train} has no use for {', '.join(sorted(useless))}; take it out")
        _known(entry, "parent", model.get("from", "random"), [*models, "random"])
        if "schedule" in model:
            _known(entry, "schedule", model["schedule"], config["schedules"])
        if "subset" in model:
            _known(entry, "subset", model["subset"], config["subsets"])
        of_parent = models.get(model.get("from"), {}).get("train")
        if model.get("transfer") == "fc7" and of_parent not in ("imagenet", "given", "voc"):
            raise UserError(f"{entry}: transfer: fc7 needs a parent with fc7 of detection size, not {model['from']}")
    for name in models:
        ancestors(config, name)


def _check_rows(config: Config) -> None:
    seen: set[str] = set()
    for row in config["table1"]:
        if row["id"] in seen:
            raise UserError(f"config: table1: two rows have the id {row['id']}; an id is a target and must be unique")
        seen.add(row["id"])
        for model in row["models"]:
            _known(f"config: table1 row {row['id']}", "model", model, config["models"])
    for pair in config["comparisons"]:
        for row_id in pair:
            _known("config: comparisons", "row", row_id, seen)
    for model in config["retrieval"]["models"]:
        _known("config: retrieval", "model", model, config["models"])
    evidence = config.get("evidence") or {"rows": [], "retrieval": {}, "comparisons": []}
    for row_id in [*evidence["rows"], *(row for pair in evidence["comparisons"] for row in pair)]:
        _known("config: evidence", "row", row_id, seen)
    for model in _retrieval_models(evidence):
        _known("config: evidence.retrieval", "model", model, config["models"])


def _check_sizes(config: Config) -> None:
    """What no schema can say: values that must fit each other."""
    mining, size = config["mining"], config["patches"]["size"]
    box, frame, filters = mining["filter"]["box"], mining["frame"], mining["filter"]
    if size != config["network"]["input_size"]:
        raise UserError(
            f"config: patches.size is {size}, network.input_size {config['network']['input_size']}; "
            "the network takes patches as they are stored: make them equal"
        )
    if box > min(frame.values()):
        raise UserError(
            f"config: mining.filter.box is {box}; expected at most the frame's {min(frame.values())} pixels"
        )
    if filters["noise"] >= filters["camera"]:
        raise UserError(
            f"config: mining.filter.noise is {filters['noise']}, camera {filters['camera']}; expected noise < camera"
        )
    for name, model in config["models"].items():
        useless = SOFTMAX_KEYS if model["train"] == "ranking" else RANKING_KEYS
        for key in useless & set(config["schedules"].get(model.get("schedule"), {})):
            raise UserError(f"config: schedules.{model['schedule']}: {key} means nothing to models.{name}; take it out")


def _known(entry: str, kind: str, name: str, names: Sequence[str] | Mapping[str, Any] | set[str]) -> None:
    if name not in names:
        close = difflib.get_close_matches(name, list(names), n=1)
        remedy = f"did you mean {close[0]}?" if close else f"known: {', '.join(names)}"
        raise UserError(f"{entry}: unknown {kind} {name}; {remedy}")


def ancestors(config: Config, name: str) -> list[str]:
    """Models that `name` is trained from, nearest first.

    Raises:
        UserError: the chain returns to itself.
    """
    chain = [name]
    while (parent := config["models"][chain[-1]].get("from", "random")) != "random":
        if parent in chain:
            raise UserError(f"config: models.{name}: a cycle of parents: {' <- '.join([*chain, parent])}; break it")
        chain.append(parent)
    return chain[1:]


def trained_by(config: Config, way: str) -> list[str]:
    """Names of the models trained in one way: none, given, ranking, imagenet or voc."""
    return [name for name, model in config["models"].items() if model["train"] == way]


def position(shard: int) -> float:
    """Place of the shard of this number in [0, 1): the van der Corput sequence 0, 1/2, 1/4, 3/4, 1/8, ...

    Any beginning of it is spread evenly, so a subset's share of [0, 1) is close to its share of the shards however many
    there are, and a shard appended later never moves an earlier one into another subset.
    """
    place, scale = 0.0, 0.5
    while shard:
        place += scale * (shard & 1)
        shard, scale = shard >> 1, scale / 2
    return place


def subset_shards(subset: Mapping[str, Any], *, expected: Mapping[str, float], packed: Mapping[str, int]) -> list[str]:
    """Shards that a subset reads: those in its share, in order, until its number of patches is reached.

    Args:
        subset: `share` [low, high) and optionally `patches`, the number wanted; without it the whole share is taken.
        expected: patches that each shard is expected to hold, in the order of the video list.
        packed: patches of the shards that are packed already. A poor harvest extends the plan, a rich one never
            shortens it, so what is trained stays up to date.
    """
    low, high = subset["share"]
    inside = [shard for number, shard in enumerate(expected) if low <= position(number) < high]
    if subset.get("patches") is None:
        return inside
    planned = found = 0.0
    for taken, shard in enumerate(inside):
        if min(planned, found) >= subset["patches"]:
            return inside[:taken]
        planned += expected[shard]
        found += packed.get(shard, expected[shard])
    return inside


def packed_patches(folder: str | Path) -> dict[str, int]:
    """Patches in each packed shard, by the summaries that packing left in `folder`."""
    return {path.stem: json.loads(path.read_text())["patches"] for path in Path(folder).glob("[0-9]*.json")}


def with_seeds(config: Config) -> dict[str, Any]:
    """Add what `evidence:` asks for: its rows and retrieval models again for seeds 2, 3, ..., each trained anew.

    A copy for seed 2 is named `{model}-seed2`; its parents are copies too, so nothing random is shared with the
    original but the mined patches.
    """
    evidence = config.get("evidence")
    if not evidence:
        return dict(config)
    rows = {row["id"]: row for row in config["table1"]}
    originals = {*_retrieval_models(evidence), *(model for row in evidence["rows"] for model in rows[row]["models"])}
    originals |= {parent for name in set(originals) for parent in ancestors(config, name)}
    models = dict(config["models"])
    for seed in range(2, evidence["seeds"] + 1):
        for name in sorted(originals):
            copy = dict(config["models"][name])
            copy["seed"] = copy.get("seed", 0) + 1000 * seed
            if copy.get("from", "random") != "random":
                copy["from"] = seed_name(copy["from"], seed)
            models[seed_name(name, seed)] = copy
    return {**config, "models": models}


def _retrieval_models(evidence: Mapping[str, Any]) -> list[str]:
    return [model for models in evidence["retrieval"].values() for model in models]


def seed_name(name: str, seed: int) -> str:
    """Name of a model's or row's copy for a seed; the first one is the original."""
    return name if seed == 1 else f"{name}-seed{seed}"


def all_rows(config: Config) -> dict[str, dict[str, Any]]:
    """Rows by id: those of Table 1, and their copies for each seed of `evidence:`."""
    rows = {row["id"]: dict(row) for row in config["table1"]}
    evidence = config.get("evidence") or {"rows": [], "seeds": 1}
    for seed in range(2, evidence["seeds"] + 1):
        for name in evidence["rows"]:
            models = [seed_name(model, seed) for model in rows[name]["models"]]
            rows[seed_name(name, seed)] = {**rows[name], "id": seed_name(name, seed), "models": models}
    return rows
