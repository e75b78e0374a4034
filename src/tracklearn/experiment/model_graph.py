"""The model graph: every network is an entry of `models:` with its way of training, parent, data, schedule and seed."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tracklearn.errors import UserError
from tracklearn.settings.models import FILES, RELEASED_NAMES, WAYS
from tracklearn.settings.network import CAFFENET, USELESS, WITHOUT_FC7
from tracklearn.settings.ranking import OF_VIDEOS, Loss, check_augmented, check_random_iterations
from tracklearn.settings.tables import ID, ID_IN_WORDS

Config = Mapping[str, Any]
"""A complete configuration: `settings.experiment.Configuration.complete`."""
RELEASED_SHAPE = {"width": 1, "input_size": 227}  # of every network in RELEASED_NAMES; all are CaffeNets


def check_models(config: Config) -> None:
    """Check that every model can be trained.

    Raises:
        UserError: a model lacks something, has something useless, or is its own ancestor; names the model.
    """
    models = config["models"]
    for name, model in models.items():
        entry, train = f"config: models.{name}", model["train"]
        given = set(model) - {"train", "backbone"}
        way = WAYS[train]
        if missing := way.needs - given:
            raise UserError(f"{entry}: train: {train} needs {', '.join(sorted(missing))}")
        if useless := given - way.needs - way.may_have:
            raise UserError(f"{entry}: train: {train} has no use for {', '.join(sorted(useless))}; take it out")
        if train == "given" and not model["weights"].endswith(FILES) and model["weights"] not in RELEASED_NAMES:
            raise UserError(
                f"{entry}.weights is {model['weights']!r}; expected a file that ends in {' or '.join(FILES)}, or "
                f"{' or '.join(RELEASED_NAMES)}"
            )
        check_known(entry, "parent", model.get("from", "random"), [*models, "random"])
        if "schedule" in model:
            check_known(entry, "schedule", model["schedule"], config["schedules"])
        if "loss" in model:
            check_known(entry, "loss", model["loss"], config["losses"])
        if train == "ranking":
            _check_ranking(config, name)
        if "stand_in" in model:
            check_known(entry, "stand_in", model["stand_in"], models)
        if "subset" in model:
            check_known(entry, "subset", model["subset"], config["subsets"])
        parents_training = models.get(model.get("from"), {}).get("train")
        if model.get("transfer") == "fc7" and parents_training not in ("imagenet", "given", "voc"):
            raise UserError(f"{entry}: transfer: fc7 needs a parent with fc7 of detection size, not {model['from']}")
    for name in models:
        _check_name(name)
        ancestors(config, name)
    for name in models:
        _check_backbone(config, name)


def _check_name(name: str) -> None:
    """Refuse a name that cannot name a folder, or has the + that joins the names of an ensemble's networks."""
    if not re.fullmatch(ID, name):
        raise UserError(f"config: models.{name}: expected a name of {ID_IN_WORDS}")


def _check_ranking(config: Config, name: str) -> None:
    """Check that the loss of a ranking model fits its schedule, and its pairs fit both the loss and the patches."""
    entry, model = f"config: models.{name}", config["models"][name]
    loss, kind, schedule = Loss.read(loss_settings(config, name)), kind_of_pairs(config, name), model["schedule"]
    random_iterations = config["schedules"][schedule]["random_iterations"]
    check_random_iterations(random_iterations, loss, entry=f"{entry}: schedules.{schedule}")
    check_augmented(kind, loss, entry=f"{entry}.pairs")
    if config["patches"]["import"] and kind in OF_VIDEOS:
        raise UserError(
            f"{entry}.pairs is {kind}, which is mined from videos, and patches.import brings pairs without videos; "
            "take patches.import out, or write pairs: tracked"
        )


def _check_backbone(config: Config, name: str) -> None:
    """Refuse a model of another backbone than its parent or its stand-in, and what its backbone cannot do."""
    entry, model, backbone = f"config: models.{name}", config["models"][name], backbone_of(config, name)
    for role, other in {"parent": model.get("from", "random"), "stand_in": model.get("stand_in", "random")}.items():
        if other != "random" and (its := backbone_of(config, other)) != backbone:
            raise UserError(
                f"{entry}: its backbone is {backbone}, but that of its {role} {other} is {its}; give both one, or "
                "take `backbone` out"
            )
    weights = model.get("weights", "")
    if (weights in RELEASED_NAMES or weights.endswith(".caffemodel")) and backbone != CAFFENET:
        raise UserError(f"{entry}: its backbone is {backbone}, but {weights} is a caffenet; write backbone: caffenet")
    if weights.endswith(".pth") and backbone == CAFFENET:
        others = ", ".join(name for name in USELESS if name != CAFFENET)
        raise UserError(f"{entry}: its backbone is {backbone}, but {weights} is of torchvision; write one of {others}")
    if model.get("transfer") == "fc7" and backbone in WITHOUT_FC7:
        raise UserError(f"{entry}: transfer: fc7, but its backbone {backbone} has no fc7 to take; write transfer: conv")
    if model["train"] == "scaled" and backbone in WITHOUT_FC7:
        raise UserError(
            f"{entry}: train: scaled, but batch normalisation scales the layers of its backbone {backbone}; write "
            "train: none"
        )
    if model["train"] == "ranking" and backbone in WITHOUT_FC7 and config.get("gpus_per_training", 1) > 1:
        raise UserError(
            f"{entry}: its backbone {backbone} normalises by the statistics of a batch, which several processes do not "
            "share; set gpus_per_training: 1"
        )


def backbone_of(config: Config, name: str) -> str:
    """The backbone of a model: its own, or that of its nearest ancestor that names one, or `network.backbone`."""
    named = (config["models"][each].get("backbone") for each in [name, *ancestors(config, name)])
    usual: str = config["network"].get("backbone", CAFFENET)
    return next(filter(None, named), usual)


def check_known(entry: str, kind: str, name: str, names: Iterable[str], *, otherwise: str = "") -> None:
    """Check that a name which an entry of the configuration refers to exists.

    Raises:
        UserError: it does not; suggests a similar name, and what else to do.
    """
    known = list(names)
    if name not in known:
        similar = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {similar[0]}?" if similar else f"known: {', '.join(known) or 'none'}"
        raise UserError(f"{entry}: unknown {kind} {name}; {remedy}{otherwise}")


def ancestors(config: Config, name: str) -> list[str]:
    """Models that `name` is trained from, the parent first.

    Raises:
        UserError: a model is its own ancestor.
    """
    chain = [name]
    while (parent := config["models"][chain[-1]].get("from", "random")) != "random":
        if parent in chain:
            raise UserError(f"config: models.{name}: a cycle of parents: {' <- '.join([*chain, parent])}; break it")
        chain.append(parent)
    return chain[1:]


def trained_by(config: Config, way: str) -> list[str]:
    """Names of the models trained in one way: none, scaled, given, ranking, imagenet, voc or normals."""
    return [name for name, model in config["models"].items() if model["train"] == way]


def depends_on_protocol(config: Config, name: str) -> bool:
    """Whether a model, or an ancestor, learned from the images that the evaluation protocol chose."""
    ways = {config["models"][each]["train"] for each in [name, *ancestors(config, name)]}
    return "voc" in ways or ("imagenet" in ways and not config["imagenet"]["folder"])


def network_settings(config: Config, name: str) -> dict[str, Any]:
    """The settings of `network:` that a model depends on: an edit of another one must not train the model again."""
    network, model = config["network"], config["models"][name]
    keys = WAYS[model["train"]].network
    if model.get("from", "random") != "random":
        keys = keys - {"mean_bgr"}  # the parent's mean comes with the parent's layers
    if model["train"] == "normals" and config["normals"]["input_size"] is not None:
        keys = keys - {"input_size"}
    backbone = backbone_of(config, name)
    keys = keys - USELESS[backbone] - {"backbone"}
    chosen = {key: value for key, value in network.items() if key in keys}
    if backbone != CAFFENET:
        chosen = {"backbone": backbone, **chosen}
    if chosen.get("ranking_fc_std") is not None:
        del chosen["fc_std"]  # `ranking_fc_std` takes its place
    return chosen


def loss_settings(config: Config, name: str) -> dict[str, Any]:
    """The ranking loss of a model: the entry of `losses:` that the model names, or the block `ranking:`."""
    loss = config["models"][name].get("loss")
    return dict(config["ranking"] if loss is None else config["losses"][loss])


def kind_of_pairs(config: Config, name: str) -> str:
    """Where the positives of a ranking model come from; its entry leaves out the key for tracked pairs."""
    kind: str = config["models"][name].get("pairs", "tracked")
    return kind


def fits_network(config: Config, name: str) -> bool:
    """Whether a model can have the shape that `network:` states: a released network cannot change its own."""
    released = config["models"][name].get("weights") in RELEASED_NAMES
    return not released or all(config["network"][key] == value for key, value in RELEASED_SHAPE.items())


def with_stand_ins(config: Config, absent: Iterable[str]) -> dict[str, Any]:
    """The configuration in which each `absent` model that has a stand-in gives it its place: among parents and in rows.

    A stand-in of another shape than `network:` is left out. The `stand_in` of a stand-in is not looked at.

    Raises:
        UserError: with the stand-ins, `check_models` finds an error.
    """
    models = config["models"]
    stand_ins = {name: models[name]["stand_in"] for name in absent if "stand_in" in models[name]}
    places = {name: stand_in for name, stand_in in stand_ins.items() if fits_network(config, stand_in)}

    def replaced(entry: Mapping[str, Any]) -> dict[str, Any]:
        return {**entry, "models": [places.get(name, name) for name in entry["models"]]}

    changed = {
        **config,
        "models": {
            name: {**model, "from": places.get(model["from"], model["from"])} if "from" in model else model
            for name, model in models.items()
        },
        "table1": [replaced(row) for row in config["table1"]],
    }
    figures = config["figures"]
    changed["figures"] = {
        **figures,
        "unit_model": places.get(figures["unit_model"], figures["unit_model"]),
        "conv1_models": [places.get(name, name) for name in figures["conv1_models"]],
    }
    if config["section6"]:
        changed["section6"] = {task: [*map(replaced, rows)] for task, rows in config["section6"].items()}
    if frozen := config["frozen"]:
        changed["frozen"] = {**frozen, "rows": [*map(replaced, frozen["rows"])]}
    check_models(changed)
    return changed


def rows_by_id(config: Config) -> dict[str, dict[str, Any]]:
    """Rows with SVMs by id: those of Table 1 and of section 6, then the copies for each further seed."""
    section6 = config["section6"] or {"detection": []}
    rows = {row["id"]: dict(row) for row in [*config["table1"], *section6["detection"]]}
    evidence = [config["evidence"]] if config["evidence"] else []
    asked = [(each["rows"], each["seeds"]) for each in evidence]
    asked += [([*each["detection"].values()], each["seeds"]) for each in config["questions"]]
    for name, seed in ((name, seed) for names, seeds in asked for name in names for seed in range(2, seeds + 1)):
        models = [seed_name(model, seed) for model in rows[name]["models"]]
        rows[seed_name(name, seed)] = {**rows[name], "id": seed_name(name, seed), "models": models}
    return rows


def with_seeds(config: Config) -> dict[str, Any]:
    """The configuration with the models that `evidence`, `evidence_normals` and `questions` ask for, with seeds 2, ...

    The copy of a model for seed 2 is named `{model}-seed2`. Its parents are copies too, so that the copy shares nothing
    random with the original but the mined patches.
    """
    models = dict(config["models"])
    for asked, seeds in _models_of_evidence(config):
        originals = {*asked, *(parent for name in asked for parent in ancestors(config, name))}
        for seed in range(2, seeds + 1):
            for name in sorted(originals):
                copy = dict(config["models"][name])
                copy["seed"] = copy.get("seed", 0) + 1000 * seed
                if copy.get("from", "random") != "random":
                    copy["from"] = seed_name(copy["from"], seed)
                models[seed_name(name, seed)] = copy
    return {**config, "models": models}


def _models_of_evidence(config: Config) -> list[tuple[list[str], int]]:
    """The models that each block of evidence trains again, and the number of its seeds."""
    found = []
    if evidence := config["evidence"]:
        rows = {row["id"]: row for row in config["table1"]}
        of_rows = [model for row in evidence["rows"] for model in rows[row]["models"]]
        found.append(([*of_rows, *retrieval_models(evidence)], evidence["seeds"]))
    if evidence := config["evidence_normals"]:
        found.append(([model for models in evidence["lines"].values() for model in models], evidence["seeds"]))
    for question in config["questions"]:
        rows = {row["id"]: row for row in config["table1"]}
        lines = [*question["lines"].values(), *(rows[row]["models"] for row in question["detection"].values())]
        found.append(([model for models in lines for model in models], question["seeds"]))
    return found


def retrieval_models(evidence: Mapping[str, Any]) -> list[str]:
    """Models of all lines of `evidence.retrieval`."""
    return [model for models in evidence["retrieval"].values() for model in models]


def name_of(path: str) -> str:
    """A model's name, from its place below results/models."""
    return path.rpartition("/")[2]


def seed_name(name: str, seed: int) -> str:
    """Name of the copy of a model or row for a seed; the first seed's is the original."""
    return name if seed == 1 else f"{name}-seed{seed}"
