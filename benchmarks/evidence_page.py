"""Write docs/evidence.md from the tables that are there, as `make evidence-page` does.

Tables of the results are copied into docs/evidence/ first, where they stay until the same table is computed again. A
table that has not been computed yet is named with the command that makes it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tracklearn.files import keep_text

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/evidence.md"
KEPT = "docs/evidence"
UNKNOWN = "<!-- settings of an earlier version -->"
CHANGED = "**Settings of this experiment have changed since this table was computed.**"
OTHER_TABLES = {"comparisons", "section6", "table2", "figures", "evidence", "evidence_normals", "questions"}
TEXTS = {"title", "grants", "question", "data"}
INTRODUCTION = """\
# Evidence

`make evidence-page` writes this page from the tables of the commands that it names. Above each table stands what the
data grant and what they cannot say. No table is left out because of its result. Every figure is a mean over training
seeds; each seed trains every network anew, with its own pretraining. Every mean, difference and slope stands beside
its 95% interval, and the text says over what the interval is drawn. A difference whose interval holds 0 is *not told
apart*: this is no proof that there is none. The tables hold some hundred intervals, each of which misses in one case
of twenty: some differences are told apart by chance. With few seeds the intervals are those of Student's t, which rest
on figures of seeds that are spread normally. Draws of images with replacement shift some figures, mAP upwards for one;
the intervals are moved back by this shift, which those of Table 1 and its pages are not. Clips and sequences are few,
and intervals over them are widened by Student's t as well. The minutes are those of two cores without AVX-512, each of
which multiplies matrices of fp32 at 57 GFLOP/s."""


class Source(NamedTuple):
    """Tables that one command makes.

    Attributes:
        command: of the Makefile.
        minutes: what it took on two quiet cores; "" before it was measured.
        folder: of the experiment.
        config: files below `config/`, which have the protocol and, unless `file` is the table, the questions.
        file: a table of the protocol.
        title: heading of that table, if several sources have the file's own.
        data: what the data grant, if the file does not say so itself.
    """

    command: str
    minutes: str
    folder: str
    config: tuple[str, ...] = ("config.yaml",)
    file: str = ""
    title: str = ""
    data: str = ""


SOURCES = (
    Source("make evidence", "43", "demo", file="evidence.md"),
    Source("make evidence", "43", "demo/hard", file="evidence.md"),
    Source("make evidence-real", "49", "examples/real_evidence"),
    Source("make evidence-controls", "117", "demo", ("config.yaml", "controls.yaml")),
    Source("make evidence-controls", "117", "examples/real_evidence", ("config.yaml", "controls.yaml")),
    Source(
        "make evidence-normals",
        "",
        "demo",
        file="evidence_normals.md",
        title="Surface normals of rendered rooms: does pretraining help?",
        data="Rendered rooms, which share neither things nor textures with the clips that the networks learned from.",
    ),
    Source(
        "make evidence-normals",
        "",
        "examples/real_mini",
        file="evidence_normals.md",
        title="Surface normals of NYUv2: does pretraining on 16 clips help?",
        data="NYUv2 at half its size, and networks of sixteen real clips: too few to learn from, so a missing gain "
        "says nothing about the paper's four million pairs.",
    ),
    Source(
        "make evidence-normals",
        "",
        "examples/real_evidence",
        file="evidence_normals.md",
        title="Surface normals of NYUv2: does pretraining on 125 clips help?",
        data="NYUv2 at half its size, and the networks of 125 real clips that the first table is about.",
    ),
)


def page(root: Path = ROOT) -> str:
    """The page from the tables below `root`, which are kept in its docs/evidence/."""
    return "\n\n".join([INTRODUCTION, *(section for source in SOURCES for section in _sections(source, root))]) + "\n"


def _sections(source: Source, root: Path) -> Iterator[str]:
    files = [root / source.folder / "config" / name for name in source.config]
    config: dict[str, Any] = {}
    for file in files:
        config |= yaml.safe_load(file.read_text())
    protocol = config["voc"]["protocol"]
    made = f"protocol {protocol}; `{source.command}`"
    made += f", {source.minutes} minutes on two cores" if source.minutes else ""
    tables = Tables(
        results=root / source.folder / "results/tables" / protocol,
        kept=root / KEPT / source.folder.replace("/", "-"),
        changed=max(file.stat().st_mtime for file in files),
    )
    if source.file:
        block = config[Path(source.file).stem]
        told = " ".join(filter(None, [source.data, f"({source.folder}; {made})"]))
        if table := tables.read(source.file, settings_of(config, block)):
            title, *rest = table.text.split("\n\n")
            yield "\n\n".join([f"## {source.title or title.lstrip('# ')}", told, *table.notes, *map(_lower, rest)])
        else:
            yield f"## {source.title or block['title']}\n\n{told}\n\n{_not_yet(source.command)}"
        return
    questions: list[Mapping[str, Any]] = config.get("questions", [])
    for question in questions:
        if table := tables.read(f"questions/{question['id']}.md", settings_of(config, question)):
            heading, data, *rest = table.text.split("\n\n")
            yield "\n\n".join([heading, f"{data} ({made})", *table.notes, *rest])
        else:
            yield f"## {question['question']}\n\n{question['data']}\n\n{_not_yet(source.command)}"


def settings_of(config: Mapping[str, Any], block: Mapping[str, Any]) -> str:
    """Digest of the settings that the figures of a table may depend on: all but texts and other tables.

    Args:
        config: the experiment.
        block: the table's own block of it.
    """
    shared = {name: value for name, value in config.items() if name not in OTHER_TABLES}
    own = {name: value for name, value in block.items() if name not in TEXTS}
    return hashlib.sha256(json.dumps([shared, own], sort_keys=True).encode()).hexdigest()[:12]


class Table(NamedTuple):
    """A table of the results, with a note if settings have changed since it was computed."""

    text: str
    notes: list[str]


class Tables(NamedTuple):
    """The tables of an experiment.

    Attributes:
        results: folder of the computed tables.
        kept: folder of their copies, whose first line has the digest of the settings that they were computed with.
        changed: when the files of the settings were changed last; older results may be of other settings.
    """

    results: Path
    kept: Path
    changed: float

    def read(self, name: str, settings: str) -> Table | None:
        """A table, which is kept if the results have it; None if it was never computed.

        Results that are older than the settings do not replace a table that was computed with today's settings.

        Args:
            settings: digest of today's settings of this table.
        """
        computed, kept = self.results / name, self.kept / name
        today = f"<!-- settings {settings} -->"
        stamp, text = kept.read_text().split("\n", 1) if kept.exists() else ("", "")
        if computed.exists():
            is_new = computed.stat().st_mtime > self.changed
            if is_new or stamp != today:
                stamp, text = today if is_new else UNKNOWN, computed.read_text()
                keep_text(kept, f"{stamp}\n{text}")
        return Table(text.strip(), [] if stamp == today else [CHANGED]) if text else None


def _lower(text: str) -> str:
    """A paragraph, whose heading comes one level lower."""
    return f"#{text}" if text.startswith("#") else text


def _not_yet(command: str) -> str:
    return f"**Not computed yet**: `{command}` makes this table."


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"The page: {PAGE.relative_to(ROOT)}")
