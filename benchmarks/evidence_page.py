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
CHANGED = "**Settings of this experiment have changed since this table was computed.**"
INTRODUCTION = """\
# Evidence

`make evidence-page` writes this page from the tables of the commands that it names. Above each table stands what the
data grant and what they cannot say. No table is left out because of its result. Every figure is a mean over training
seeds; each seed trains every network anew, with its own pretraining. Every mean, difference and slope stands beside
its 95% interval, and the text says over what the interval is drawn. A difference whose interval holds 0 is *not told
apart*: this is no proof that there is none. The tables hold some hundred intervals, each of which misses in one case of
twenty: some differences are told apart by chance. With few seeds the intervals are those of Student's t, which rest on
figures of seeds that are spread normally. The minutes are those of two cores without AVX-512, each of which multiplies
matrices of fp32 at 57 GFLOP/s."""


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
    Source("make evidence-controls", "", "demo", ("config.yaml", "controls.yaml")),
    Source("make evidence-controls", "", "examples/real_evidence", ("config.yaml", "controls.yaml")),
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
        settings=hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12],
        changed=max(file.stat().st_mtime for file in files),
    )
    if source.file:
        told = [source.data, f"({source.folder}; {made})"]
        if table := tables.read(source.file):
            title, *rest = table.text.split("\n\n")
            heading = f"## {source.title or title.lstrip('# ')}"
            yield "\n\n".join([heading, " ".join(filter(None, [*told, table.note])), *map(_lower, rest)])
        else:
            heading = source.title or config[Path(source.file).stem]["title"]
            yield f"## {heading}\n\n{' '.join(told).strip()}\n\n{_not_yet(source.command)}"
        return
    questions: list[Mapping[str, Any]] = config.get("questions", [])
    for question in questions:
        if table := tables.read(f"questions/{question['id']}.md"):
            heading, data, *rest = table.text.split("\n\n")
            yield "\n\n".join([heading, f"{data} ({made}) {table.note}".strip(), *rest])
        else:
            yield f"## {question['question']}\n\n{question['data']}\n\n{_not_yet(source.command)}"


class Table(NamedTuple):
    """A table of the results, and a note if the settings have changed since it was computed."""

    text: str
    note: str


class Tables(NamedTuple):
    """The tables of an experiment.

    Attributes:
        results: folder of the computed tables.
        kept: folder of their copies, each of which begins with the digest of the settings it was computed with.
        settings: digest of today's settings.
        changed: when their files were changed last; older results may be of other settings.
    """

    results: Path
    kept: Path
    settings: str
    changed: float

    def read(self, name: str) -> Table | None:
        """A table, which is kept if the results have it; None if it was never computed."""
        computed, kept = self.results / name, self.kept / name
        stamp, text = kept.read_text().split("\n", 1) if kept.exists() else ("", "")
        if computed.exists():
            text = computed.read_text()
            if computed.stat().st_mtime > self.changed:
                stamp = f"<!-- settings {self.settings} -->"
            keep_text(kept, f"{stamp}\n{text}")
        if not text:
            return None
        return Table(text.strip(), "" if self.settings in stamp else CHANGED)


def _lower(text: str) -> str:
    """A paragraph, whose heading comes one level lower."""
    return f"#{text}" if text.startswith("#") else text


def _not_yet(command: str) -> str:
    return f"**Not computed yet**: `{command}` makes this table."


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"The page: {PAGE.relative_to(ROOT)}")
