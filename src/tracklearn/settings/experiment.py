"""The whole configuration."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import model_validator

from tracklearn.errors import UserError
from tracklearn.settings.base import Block, Count, Settings, setting
from tracklearn.settings.detection import Detection
from tracklearn.settings.features import Features
from tracklearn.settings.figures import Figures
from tracklearn.settings.frozen import Frozen
from tracklearn.settings.mining import Mining
from tracklearn.settings.models import WAYS, Model
from tracklearn.settings.network import Network
from tracklearn.settings.normals import Normals
from tracklearn.settings.patches import Patches, Subset
from tracklearn.settings.ranking import Loss
from tracklearn.settings.retrieval import Retrieval
from tracklearn.settings.scenes import Scenes
from tracklearn.settings.tables import Evidence, NormalsEvidence, NormalsRow, Pair, Question, Row, Section6
from tracklearn.settings.training import RankingSchedule, Saving, Schedule, SoftmaxSchedule, Threads
from tracklearn.settings.videos import Videos
from tracklearn.settings.voc import ImageNet, Voc

MOVED = {
    "detection.protocol": "voc.protocol",
    "detection.images_per_shard": "voc.images_per_part",
    "detection.proposals": "voc.proposals",
    "detection.keep_features": "features.keep",
    "retrieval.models": "section6.retrieval",
}
NAMED = ("subsets", "losses", "schedules", "models")


class Configuration(Settings):
    """The whole configuration.

    Whether its blocks fit each other (the model graph, the rows, the sizes of frames and patches) is checked by the
    experiment that is built from it.
    """

    where: ClassVar[str] = ""

    threads: Threads = setting(Threads(), "Threads of one job")
    gpus_per_training: Count = setting(
        1,
        "Number of processes of one ranking training. Each process has its own GPU if there are GPUs, and the "
        "processes share `threads.train`. Every other training has one process. The number of processes changes the "
        "weights only by the rounding of sums",
        unit="processes",
    )
    videos: Videos = setting(Videos(), "The list of videos and their download")
    mining: Mining = setting(Mining(), "From videos to pairs of patches")
    patches: Patches = setting(Patches(), "The stored pairs of patches")
    subsets: dict[str, Subset] = setting({}, "Parts of the patches by name")
    network: Network = setting(Network(), "The networks' backbone, input, size and initial weights")
    ranking: Loss = setting(Loss(), "The ranking loss")
    losses: dict[str, Loss] = setting({}, "Further ranking losses by name, for models that name one")
    schedules: dict[str, RankingSchedule | SoftmaxSchedule] = setting({}, "Schedules of trainings by name")
    saving: Saving = setting(Saving(), "How often a training writes to disk")
    imagenet: ImageNet = setting(ImageNet(), "Images of the RCNN rows")
    models: dict[str, Model] = setting({}, "Networks by name")
    voc: Voc = setting(Voc(), "Photos with labelled objects")
    features: Features = setting(Features(), "Features of windows")
    detection: Detection = setting(Detection(), "SVMs and detection")
    table1: tuple[Row, ...] = setting((), "Rows of Table 1, in order")
    comparisons: tuple[Pair, ...] = setting(
        (), "Pairs of row ids whose difference gets a paired bootstrap over the test images"
    )
    section6: Section6 | None = setting(
        None, "Rows of the table of section 6, what the features show without fine-tuning; `null` leaves the table out"
    )
    retrieval: Retrieval = setting(Retrieval(), "Retrieval without fine-tuning")
    scenes: Scenes = setting(Scenes(), "Classification of whole photos, without fine-tuning")
    frozen: Frozen | None = setting(
        None, "Evaluations of networks that are trained no further, on any data sets; `null` leaves the table out"
    )
    table2: tuple[NormalsRow, ...] = setting(
        (), "Rows of Table 2, surface normals, in order; each is compared with the first; `[]` leaves the table out"
    )
    normals: Normals = setting(Normals(), "Surface normals of NYUv2")
    figures: Figures = setting(Figures(), "The paper's figures 2, 3, 5, 6 and 8")
    evidence: Evidence | None = setting(
        None, "Rows whose networks are trained again with other training seeds (`make evidence`)"
    )
    evidence_normals: NormalsEvidence | None = setting(
        None, "Networks of surface normals that are trained again with other training seeds (`make evidence-normals`)"
    )
    questions: tuple[Question, ...] = setting(
        (), "Questions that networks of several training seeds answer, a table each (`make evidence-real`)"
    )

    @classmethod
    def read(cls, values: Block = None, *, where: str | None = None) -> Self:
        """Check a whole configuration; see `Settings.read`. Its errors begin with "config: "."""
        try:
            return super().read(values, where=where)
        except UserError as error:
            raise UserError(f"config: {error}") from None

    def complete(self) -> dict[str, Any]:
        """The whole with its defaults; subsets, losses, schedules and models in the order of their names."""
        blocks = super().complete()
        return blocks | {name: dict(sorted(blocks[name].items())) for name in NAMED}

    @model_validator(mode="before")
    @classmethod
    def _schedules_of_their_kind(cls, values: Any) -> Any:
        """Refuse keys that have moved, and read each schedule by the class that the models naming it need."""
        for old, new in MOVED.items():
            block, key = old.split(".")
            if key in _mapping(_mapping(values).get(block)):
                raise UserError(f"{old}: moved to {new}")
        schedules = _mapping(_mapping(values).get("schedules"))
        for name, block in schedules.items():
            if "hard_from" in _mapping(block):
                raise UserError(f"schedules.{name}.hard_from: replaced by random_iterations and stages")
        if not schedules:
            return values
        users = _users(_mapping(values.get("models")))
        return {**values, "schedules": {name: _schedule(name, block, users) for name, block in schedules.items()}}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _users(models: Mapping[str, Any]) -> dict[Any, dict[str, str]]:
    """The models of each schedule, with the way each is trained."""
    users: dict[Any, dict[str, str]] = {}
    for name, model in models.items():
        entry = _mapping(model)
        schedule, train = entry.get("schedule"), entry.get("train")
        if isinstance(schedule, str) and isinstance(train, str) and train in WAYS and WAYS[train].schedule:
            users.setdefault(schedule, {})[name] = train
    return users


def _schedule(name: str, block: Any, all_users: Mapping[str, Mapping[str, str]]) -> Schedule:
    """A schedule of the kind that its users need; without users, of the kind that its keys tell."""
    where, users = f"schedules.{name}", all_users.get(name, {})
    ranking = [model for model, train in users.items() if WAYS[train].schedule is RankingSchedule]
    labels = [model for model, train in users.items() if WAYS[train].schedule is SoftmaxSchedule]
    if ranking and labels:
        raise UserError(
            f"{where}: models.{ranking[0]} trains by ranking, models.{labels[0]} on labels; "
            "give each a schedule of its own"
        )
    own_keys = RankingSchedule.model_fields.keys() - SoftmaxSchedule.model_fields.keys()
    by_ranking = ranking or (not labels and own_keys & _mapping(block).keys())
    kind, other = (RankingSchedule, SoftmaxSchedule) if by_ranking else (SoftmaxSchedule, RankingSchedule)
    useless = [key for key in _mapping(block) if key in other.model_fields and key not in kind.model_fields]
    if useless and users:
        raise UserError(f"{where}: {useless[0]} means nothing to models.{next(iter(users))}; take it out")
    return kind.read(block, where=where)
