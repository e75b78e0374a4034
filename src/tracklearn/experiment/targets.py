"""What the command line asks for: what it needs, what is missing, and where a target of an earlier version lies now."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tracklearn.errors import UserError
from tracklearn.experiment import model_graph
from tracklearn.experiment.configuration import check_patches
from tracklearn.experiment.frozen_plan import ENSEMBLE
from tracklearn.experiment.normals_plan import METHODS as NORMALS_METHODS
from tracklearn.experiment.plan import GET_IMAGENET, Plan
from tracklearn.experiment.section6_plan import NO_ANNOTATIONS
from tracklearn.settings.ranking import OF_VIDEOS

ALL, CARDS, RETRY = "all", "cards", "retry_unreachable"
GROUND_TRUTH = "ground_truth.json"  # of COCO
# Targets of mining begin so, or are `pairs` or `retry_unreachable`.
PAIRS = ("results/videos/", "results/mining/", "results/patches/", "patches_", "results/figures/figure")
# Cells and files of section 6 and of Table 2 that need no network are named so, with any suffix.
WITHOUT_MODELS = ("elda", "hog_statistics", "gist", "indoor67", "truth", "codebook", "nyuv2", *NORMALS_METHODS)


QUESTION = re.compile(r"results/tables/[^/]+/questions/([^/]+)\.(?:csv|md)")


def warnings(plan: Plan, targets: Sequence[str]) -> list[str]:
    """What the targets lack but what stops only some of the jobs."""
    named = [_named_by(plan, target) for target in _of_tables(targets)]
    rows = [row for row in plan.rows if any(row in some for some, _ in named)]
    models = list(dict.fromkeys(model for _, some in named for model in some))
    used = plan.lineage([*models, *(model for row in rows for model in plan.rows[row]["models"])])
    stand_ins = [plan.model_entry(name).get("stand_in") for name in plan.untrainable]
    taken = [name for name in dict.fromkeys(stand_ins) if name in used]
    systems = {
        "section 6": plan.section6.networks(),
        "the table of frozen networks": plan.frozen.networks(),
        "Table 2": plan.normals.networks(),
    }
    lacking = {
        table: [name for name in models if name in of_table and plan.lacking([name])]
        for table, of_table in systems.items()
    }
    empty = [row for row in rows if plan.lacks(row)]
    effects = [f"{name} takes a trained network's place" for name in taken]
    effects += [f"the cells of {', '.join(empty)} are empty"] if empty else []
    effects += [f"{table} leaves out {', '.join(names)}" for table, names in lacking.items() if names]
    folder = plan.config["imagenet"]["folder"]
    return [f"{folder}: no ImageNet there, so {', and '.join(effects)}; {GET_IMAGENET}"] if effects else []


def check_targets(plan: Plan, targets: Sequence[str]) -> None:
    """Check that the targets exist and that their data can be there, before Snakemake builds its graph.

    Only what is asked for needs its data: pairs need no photos, and a row needs no list of videos unless one of
    its networks learned from pairs.

    Args:
        targets: of the command line; if there is none, `all` is asked for.

    Raises:
        UserError: a target whose path was changed since an earlier version; a list of videos, an image set or a
            subset without data; a target that the protocol or the configuration leaves out.
    """
    targets = _of_tables(targets)
    _check_alone(targets)
    for target in targets:
        if current := _moved(plan, target):
            raise UserError(f"{target}: this target is now {current}")
        _check_left_out(plan, target)
        _check_query(plan, target)
    if any(map(_is_of_pairs, targets)) and not plan.mining.patch_shards:
        raise UserError(f"{plan.config['patches']['import']['list']}: no pair; expected lines of `path label`")
    if any(_needs_photos(plan, target) for target in targets):
        for image_set in plan.voc.image_sets:
            plan.voc.size(image_set)
    if any(_needs_nyuv2(plan, target) for target in targets):
        plan.normals.check_files()
    needed_models = {model for target in targets for model in _models_of(plan, target)}
    _check_given(plan, needed_models)
    for model in plan.ranking_models(needed_models):
        try:
            check_patches(plan.config)
            plan.subsets.shards(model)
        except UserError as error:
            needed = f"models.{model}, which the target needs, learns from pairs"
            raise UserError(f"{error} ({needed}){_without_pairs(plan)}") from error
    if plan.config["evidence"] and any("evidence." in target for target in targets):
        _check_evidence(plan)


def _check_evidence(plan: Plan) -> None:
    """Refuse a block `evidence` that names a row or a model which cannot be computed."""
    evidence = plan.config["evidence"]
    for row in plan.seeded(evidence["rows"]):
        if lack := plan.lacks(row):
            raise UserError(f"config: evidence.rows: {row} cannot be computed: {lack}")
    for model in plan.seeded(model_graph.retrieval_models(evidence)):
        if lack := plan.section6.lack("retrieval", model):
            raise UserError(f"config: evidence.retrieval cannot be computed: {lack}")


def _check_alone(targets: Sequence[str]) -> None:
    """Refuse a retry of downloads beside other targets, which would read a manifest while a job replaces its rows."""
    if RETRY in targets and len(targets) > 1:
        raise UserError(f"{RETRY}: it changes what the other targets read; ask for it alone, and then for the others")


def _of_tables(targets: Sequence[str]) -> list[str]:
    """The targets, of which cards need what all tables need."""
    return [ALL if target == CARDS else target for target in targets or [ALL]]


def _check_given(plan: Plan, models: Iterable[str]) -> None:
    """Check that the files of given weights are there; one below results/ may be made by a rule."""
    for model in plan.lineage(models):
        file = plan.given_file(model) if plan.model_entry(model)["train"] == "given" else []
        if isinstance(file, str) and not file.startswith("results/") and not Path(file).exists():
            raise UserError(
                f"config: models.{model}.weights: {file}: no such file; put the weights there, or leave out the rows "
                f"that need {model}"
            )


def _without_pairs(plan: Plan) -> str:
    """How to do without pairs, if Table 1 needs none: by the entries of section 6 and of the figures that do."""
    if plan.ranking_models():
        return ""
    needs = {
        f"section6.{task}": [name for row in rows for name in row["models"]]
        for task, rows in plan.section6.tasks.items()
    }
    needs |= {
        "figures.unit_model": plan.figures.models("figure5"),
        "figures.conv1_models": plan.figures.models("figure6"),
        "table2": plan.normals.networks(),
        "frozen.rows": plan.frozen.networks(),
    }
    entries = [entry for entry, models in needs.items() if plan.ranking_models(models)]
    remedy = "without such networks, or section6: null, which leaves out the figures too, and table2: []"
    return f"; to do without pairs, write {', '.join(entries)} {remedy}" if entries else ""


def _check_left_out(plan: Plan, target: str) -> None:
    """Refuse what has no rule, or no input, under this protocol and configuration."""
    control = re.match(r"results/(?:patches/controls|mining)/([a-z-]+)/", target)
    if control and control[1] in OF_VIDEOS and plan.config["patches"]["import"]:
        raise UserError(
            f"{target}: the pairs of {control[1]} are cut out of videos, and patches.import brings pairs without "
            "videos; take patches.import out"
        )
    if not plan.section6.tasks and re.fullmatch(r"results/(tables/[^/]+/)?section6\.(csv|md|html)", target):
        raise UserError("config: section6 is null; write its rows to get its table")
    if "evidence_normals" in target:
        if not (models := plan.normals.evidence_models()):
            raise UserError("config: evidence_normals is null; write its lines to get its table")
        if lack := plan.lack_of(models):
            raise UserError(f"config: evidence_normals cannot be computed: {lack}")
    if asked := QUESTION.fullmatch(target):
        model_graph.check_known(f"{target}: config: questions", "question", asked[1], plan.questions.by_id)
        of_rows = [model for row in plan.questions.rows(asked[1]) for model in plan.rows[row]["models"]]
        if lack := plan.lack_of([*plan.questions.models(asked[1]), *of_rows]):
            raise UserError(f"config: questions: {asked[1]} cannot be computed: {lack}")
    if not plan.frozen.rows and re.fullmatch(r"results/(tables/[^/]+/)?frozen\.(csv|md|html)", target):
        raise UserError("config: frozen has no rows; write some to get their table")
    if not plan.normals.rows and re.fullmatch(r"results/(tables/[^/]+/)?table2\.(csv|md|html)", target):
        raise UserError("config: table2 has no rows; write some to get Table 2")
    if not plan.protocol.annotated and "/retrieval/" in target and target not in plan.section6.cells("retrieval"):
        raise UserError(f"{target}: {NO_ANNOTATIONS}")
    _check_detections(plan, target)
    figure = re.fullmatch(r"results/(?:figures|normals)/(?:[^/]+/)?(figure\d)\.(?:png|svg|json|html)", target)
    if figure and (reason := plan.figures.left_out().get(figure[1])):
        raise UserError(f"{target}: left out: {reason}")


def _check_detections(plan: Plan, target: str) -> None:
    """Refuse pages and lists of detections of rows that have none, and what shows annotations that are not public."""
    asked = re.fullmatch(
        rf"results/detection/[^/]+/(?:(pages|compared)/.+|({GROUND_TRUTH})|.+/detections\.json)", target
    )
    if not asked:
        return
    if (asked[1] or asked[2]) and not plan.protocol.annotated:
        raise UserError(f"{target}: {NO_ANNOTATIONS}")
    for row in {*Path(target).parts, Path(target).stem} & {*plan.rows}:
        if lack := plan.lacks(row):
            raise UserError(f"{target}: row {row} has no detections: {lack}")
        if asked[1] and row in plan.section6.rows("detection"):
            raise UserError(f"{target}: row {row} is one of section 6; expected a row of Table 1")


def _check_query(plan: Plan, target: str) -> None:
    """Refuse a page of figure 7 for an image that is none of the evaluation images, before anything is computed."""
    asked = re.fullmatch(r"results/retrieval/figure7/(.+)-\d+\.html", target)
    image_list = Path(plan.voc.image_list(plan.protocol.test))
    if asked and image_list.exists() and asked[1] not in (ids := plan.voc.evaluated()):
        raise UserError(
            f"{target}: image {asked[1]} is none of the {len(ids)} images of {image_list}; expected one of them, such "
            f"as {ids[0]}"
        )


def _needs_nyuv2(plan: Plan, target: str) -> bool:
    if _is_of_table2(target):
        return True
    models = (
        _named_by(plan, target)[1] if target == ALL or target.startswith(("results/models/", "results/figures")) else []
    )
    return any(plan.model_entry(model)["train"] == "normals" for model in models)


def _needs_photos(plan: Plan, target: str) -> bool:
    if (asked := QUESTION.fullmatch(target)) and not plan.questions.rows(asked[1]):
        return any(model_graph.depends_on_protocol(plan.config, model) for model in plan.questions.models(asked[1]))
    if target.startswith("results/models/") or "/scenes/" in target or _is_of_table2(target) or _is_of_frozen(target):
        return any(model_graph.depends_on_protocol(plan.config, model) for model in _named_by(plan, target)[1])
    return not _is_of_pairs(target)


def _moved(plan: Plan, target: str) -> str | None:
    protocol, year = plan.protocol.name, f"VOC{plan.protocol.year}"
    for pattern, current in (
        (r"results/cells/table1/([^/]+)/([^/]+\.json)", rf"results/cells/table1/{protocol}/\1/\2"),
        (
            r"results/cells/retrieval/(?:[^/]+/)?([^/]+)(?:/precision)?\.json",
            rf"results/cells/section6/{protocol}/retrieval/\1.json",
        ),
        (r"results/detection/[^/]+/external\.json", rf"results/detection/{protocol}/external/table1.json"),
        (r"results/detection/(svms|detections|bootstraps)/([^/]+\.npz)", rf"results/detection/{protocol}/\1/\2"),
        (r"results/detection/features/(.+\.h5)", rf"results/features/{protocol}/\1"),
        (r"results/detection/proposals/([^/]+\.npz)", rf"results/voc/proposals/{year}/\1"),
        (r"results/submissions/([^/]+)", rf"results/detection/{protocol}/submissions/\1"),
        (r"results/mining/(\d{5})/gallery\.html", r"results/patches/\1.html"),
        (r"results/models/object_crops", rf"results/voc/object_crops/{year}/{plan.protocol.train}"),
    ):
        if re.fullmatch(pattern, target):
            return re.sub(pattern, current, target)
    if (found := re.fullmatch(r"results/models/([^/]+)/([^/]+)", target)) and found[1] in plan.config["models"]:
        current = f"results/models/{plan.model_path(found[1])}/{found[2]}"
        return current if current != target else None
    return None


def _models_of(plan: Plan, target: str) -> set[str]:
    """Models that a target needs and that lack nothing."""
    rows, models = _named_by(plan, target)
    needed = {model for model in models if not plan.lacking([model])}
    return needed | {model for row in plan.computed_rows(rows) for model in plan.rows[row]["models"]}


def _named_by(plan: Plan, target: str) -> tuple[list[str], list[str]]:
    """Rows with SVMs, and models beside them, that a target names; if it names none, all of the table that it is of."""
    of_figures = [model for figure in ("figure5", "figure6") for model in plan.figures.models(figure)]
    if target.startswith("results/figures"):
        of_figure8 = [model for _, model in plan.normals.pictured()] if target.endswith("figures.html") else []
        return [], [*of_figures, *of_figure8, *plan.ranking_models()]
    if _is_of_pairs(target) or target.startswith("results/voc/") or Path(target).name == GROUND_TRUTH:
        return [], []
    parts = {*Path(target).parts, *Path(target).stem.split(ENSEMBLE)}
    if asked := QUESTION.fullmatch(target):
        parts = {*plan.questions.rows(asked[1]), *plan.questions.models(asked[1])}
    rows = [row for row in plan.rows if row in parts]
    models = [model for model in plan.config["models"] if model in parts]
    if rows or models or Path(target).stem in WITHOUT_MODELS:
        return rows, models
    if "figure7" in target or _is_of_table2(target) or _is_of_frozen(target):
        return [], _networks_compared(plan, target)
    of_table1 = [] if "section6" in target else plan.table1_rows
    if target != ALL and "section6" not in target:
        return of_table1, []
    others = of_figures if target == ALL and plan.section6.tasks else []
    others += [*plan.frozen.networks(), *plan.normals.networks()] if target == ALL else []
    compared = dict.fromkeys([*plan.section6.networks(), *others])
    return [*of_table1, *plan.section6.rows("detection")], [*compared]


def _networks_compared(plan: Plan, target: str) -> list[str]:
    """The networks that a page or table of retrieval or of normals compares."""
    if "figure7" in target:
        return plan.section6.networks("retrieval")
    if _is_of_frozen(target):
        return plan.frozen.networks()
    return plan.normals.evidence_models() if "evidence" in target else plan.normals.networks()


def _is_of_table2(target: str) -> bool:
    named = Path(target).stem in ("table2", "evidence_normals") and "external" not in Path(target).parts
    return named or target.startswith(("results/normals/", "results/cells/table2/"))


def _is_of_frozen(target: str) -> bool:
    named = Path(target).stem == "frozen" and "external" not in Path(target).parts
    return named or target.startswith(("results/frozen/", "results/cells/frozen/"))


def _is_of_pairs(target: str) -> bool:
    return target in ("pairs", RETRY) or target.startswith(PAIRS)
