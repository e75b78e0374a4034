"""Settings of the blocks `table1`, `section6`, `table2`, `evidence` and `questions`: what is reported."""

from typing import Annotated, ClassVar, Literal, Self

from annotated_types import MinLen
from pydantic import model_validator

from tracklearn.errors import UserError
from tracklearn.settings.base import Count, Names, Settings, setting

Layer = Literal["pool5", "fc6", "fc7"]
NormalsMethod = Literal["mean_cells", "camera_axis", "words"]
Pair = tuple[str, str]
ID = "^[A-Za-z0-9_][A-Za-z0-9._-]*$"
ID_IN_WORDS = "letters, digits, `_`, `.` and `-`, not one of the last two in front"
CHANCE, TRUE_CELLS = REFERENCES = ("chance", "true cells")
"""Lines of the tables of questions that stand for no network: a guess, and one that knows what each cell shows."""
PAPERS_SYSTEM = "System of the paper whose number stands beside the row; a row with `null` stands below the others"


class Row(Settings):
    """A row of Table 1."""

    where: ClassVar[str] = "table1"

    id: str = setting(
        ...,
        f"Unique name of the row, part of the paths of its cells: {ID_IN_WORDS}",
        pattern=ID,
    )
    label: str = setting(..., "Text of the row's first column")
    external: str = setting("", "Text of the column of external data")
    models: Names = setting(
        ..., "Entries of `models`; several models are an ensemble, and each SVM sees the features of all of them"
    )
    layer: Layer = setting("fc7", "Layer whose features the SVMs see")


class DetectionRow(Row):
    """A row of section 6: detection by SVMs on features without fine-tuning."""

    where: ClassVar[str] = "section6.detection"

    layer: Layer = setting("pool5", "Layer whose features the SVMs see", paper="§6.1")
    paper: (
        Literal["unsupervised pool5 + SVM (8M)", "ensemble of 5M and 8M pool5 + SVM", "ImageNet pool5 + SVM"] | None
    ) = setting(None, PAPERS_SYSTEM)


class ComparedRow(Settings):
    """A row of section 6 or of Table 2, which compare networks by themselves."""

    id: str = setting(..., "Name of the row, unique in its table", pattern=ID)
    label: str = setting(..., "Text of the row's first column")
    external: str = setting("", "Text of the column of external data")
    models: tuple[str, ...] = setting(
        (), "Entries of `models`; of several, such as draws of a random network, the mean figures are reported"
    )
    method: str = setting("network", "`network`, or what needs no `models`")
    paper: str | None = setting(None, PAPERS_SYSTEM)

    @model_validator(mode="after")
    def _a_network_or_a_method(self) -> Self:
        if (self.method == "network") != bool(self.models):
            raise UserError(
                f"{self.where} row {self.id}: method {self.method} "
                + ("needs models" if self.method == "network" else "has no use for models; take them out")
            )
        return self


class RetrievalRow(ComparedRow):
    """A row of section 6: retrieval."""

    where: ClassVar[str] = "section6.retrieval"

    method: Literal["network", "elda"] = setting(
        "network", "`network` compares the features of `models`; `elda` is ELDA on HOG and has no `models`"
    )
    paper: Literal["unsupervised pool5 cosine (8M)", "ELDA on HOG", "random AlexNet", "ImageNet AlexNet"] | None = (
        setting(None, PAPERS_SYSTEM)
    )


class ScenesRow(ComparedRow):
    """A row of section 6: scene classification."""

    where: ClassVar[str] = "section6.scenes"

    method: Literal["network", "gist"] = setting(
        "network", "`network` classifies by the features of `models`; `gist` is GIST with an SVM and has no `models`"
    )
    paper: Literal["unsupervised pool5 + softmax", "GIST + SVM", "random AlexNet", "ImageNet AlexNet"] | None = setting(
        None, PAPERS_SYSTEM
    )


class Section6(Settings):
    """What the paper shows without fine-tuning (PAPER §6.1)."""

    where: ClassVar[str] = "section6"

    detection: tuple[DetectionRow, ...] = setting((), "Rows of detection, by SVMs on features without fine-tuning")
    retrieval: tuple[RetrievalRow, ...] = setting((), "Rows of retrieval; each is compared with the first")
    scenes: tuple[ScenesRow, ...] = setting((), "Rows of scene classification; each is compared with the first")


class NormalsRow(ComparedRow):
    """A row of Table 2."""

    where: ClassVar[str] = "table2"

    method: Literal["network"] | NormalsMethod = setting(
        "network",
        "`network` predicts by `models`. The others have no `models` and show what a figure is worth: `mean_cells` "
        "predicts each cell's mean normal of the training images, `camera_axis` predicts that every surface faces the "
        "camera, and `words` names the right word of the codebook in every cell",
    )
    paper: Literal["scratch", "unsup + ft", "ImageNet + ft"] | None = setting(None, PAPERS_SYSTEM)


class Evidence(Settings):
    """Rows that are trained again from other seeds, to see how far results vary."""

    where: ClassVar[str] = "evidence"

    title: str = setting("Evidence", "Heading of the page")
    grants: str = setting("", "What the data grants the method, in a sentence below the heading")
    seeds: Count = setting(..., "Number of training seeds, the first of which is the experiment itself")
    rows: Names = setting(..., "Ids of the rows of Table 1 whose networks are trained again")
    retrieval: Annotated[dict[str, Names], MinLen(1)] = setting(
        ...,
        "Each key names a line of the retrieval table, and its value lists the line's models. Every further line is "
        "compared with the first",
    )
    comparisons: Annotated[tuple[Pair, ...], MinLen(1)] = setting(
        ..., "Pairs of row ids whose difference is averaged over the training seeds"
    )


class NormalsEvidence(Settings):
    """Networks of surface normals that are trained again from other seeds, with all that they learned from."""

    where: ClassVar[str] = "evidence_normals"

    seeds: Count = setting(..., "Number of training seeds, the first of which is the experiment itself")
    lines: Annotated[dict[str, Names], MinLen(1)] = setting(
        ...,
        "Each key names a line of the table, and its value lists the line's models, which have `train: normals`. Every "
        "further line is compared with the first",
    )


class Question(Settings):
    """A question that networks answer which are trained again from other seeds, each seed with its own pretraining."""

    where: ClassVar[str] = "questions"

    id: str = setting(..., "Name of the table, `results/tables/{protocol}/questions/{id}.md`", pattern=ID)
    question: str = setting(..., "The question, heading of the table")
    data: str = setting(..., "What the data grant, and what they cannot say: a text above the table")
    seeds: Count = setting(..., "Number of training seeds, the first of which is the experiment itself")
    lines: dict[str, Names] = setting(
        {}, "Each key names a line of the table, and its value lists the line's models, of which the mean counts"
    )
    ensembles: bool = setting(
        False,
        "Whether several models of a line are an ensemble, whose features stand side by side; only for columns of "
        "`frozen.sets`",
    )
    figures: tuple[str, ...] = setting(
        (),
        "Columns of the table: `{column}.{figure}` with a column of `frozen` and a figure of its cells: `linear`, "
        "`knn` or `precision` of `sets`, `J&F`, `J` or `F` of `masks`, `recall` or `recall_other_clips` of `pairs`",
    )
    detection: dict[str, str] = setting(
        {}, "Row of Table 1 of each line whose detections count, as a column `mAP`; a line may have this figure alone"
    )
    comparisons: tuple[Pair, ...] = setting(
        (),
        "Pairs of lines whose difference is averaged over the training seeds. Two lines need no networks: `chance`, "
        "what a guess gives, and for masks `true cells`, what a network would give that knows the share of each object "
        "in each cell",
    )
    slope: bool = setting(
        False,
        "Whether the lines learned from more and more pairs: each figure gets its slope for each doubling of the pairs",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        where, lines = f"question {self.id}", self.lines.keys() | self.detection.keys()
        if not lines:
            raise ValueError(f"{where} has no lines; expected lines of models, or detection")
        if bool(self.lines) != bool(self.figures):
            raise ValueError(f"{where} has lines or figures alone; expected both, as a line of models shows figures")
        if wrong := [figure for figure in self.figures if not all(figure.rpartition("."))]:
            raise ValueError(f"{where}: figures has {wrong[0]!r}; expected {{column}}.{{figure}}")
        if taken := lines & {*REFERENCES}:
            raise ValueError(f"{where}: a line is called {min(taken)}, as a line of every table is; rename it")
        known = [*sorted(lines), *REFERENCES]
        if unknown := [line for pair in self.comparisons for line in pair if line not in known]:
            raise ValueError(f"{where}: comparisons names {unknown[0]!r}; expected one of {', '.join(known)}")
        of_cells = any(figure.rpartition(".")[2] in ("J&F", "J", "F") for figure in self.figures)
        shown = {*self.lines, CHANCE, *([TRUE_CELLS] if of_cells else [])}  # by `figures`
        if apart := [pair for pair in self.comparisons if not ({*pair} <= shown or {*pair} <= self.detection.keys())]:
            raise ValueError(f"{where}: no figure has both {apart[0][0]!r} and {apart[0][1]!r}; take the pair out")
        if self.slope and (len(self.lines) < 3 or any(len(models) > 1 for models in self.lines.values())):
            raise ValueError(f"{where}: a slope needs at least three lines of one model each")
        return self
