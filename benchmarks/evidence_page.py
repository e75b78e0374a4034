"""Write docs/evidence.md, as the targets of the Makefile do that compute its tables.

Each target names itself, and its tables are copied from the results into docs/evidence/, with a digest of the settings
that they were computed with. There they stay until the same target is run again. A table that was never computed is
named with the command that makes it, and one of earlier settings says so.
"""

import hashlib
import json
import sys
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from snakemake.utils import update_config

from tracklearn.experiment import model_graph
from tracklearn.experiment.configuration import complete
from tracklearn.files import keep_text

ROOT = Path(__file__).parent.parent
PAPER = ROOT / "config/config.yaml"
PAGE = ROOT / "docs/evidence.md"
KEPT = "docs/evidence"
CHANGED = (
    "**Settings of this experiment have changed since this table was computed; the text above describes today's.**"
)
# Of the settings of tables, trainings and frozen networks, a table depends on its own alone.
OF_TABLES = {
    "table1",
    "comparisons",
    "section6",
    "table2",
    "figures",
    "evidence",
    "evidence_normals",
    "questions",
    "scenes",
}
OF_TRAININGS = {"models", "schedules", "losses", "ranking", "network", "normals"}
OF_FROZEN = ("sets", "masks", "pairs")
WITHOUT_EFFECT = {"threads", "gpus_per_training"}
FIRST_WORDS = "Means over"  # of what was computed, after the heading and what the world grants
TEXTS = {"title", "grants", "question", "data"}
INTRODUCTION = """\
# Evidence

This page is written from the tables of the commands that it names. Above each table stands what the data grant and what
they cannot say. No table is left out because of its result. Every figure is a mean over training seeds; each seed
trains every network anew, with its own pretraining. Every mean, difference and slope stands beside its 95% interval,
and the text says over what the interval is drawn. A difference whose interval holds 0 is *not told apart*: this is no
proof that there is none. The page has {compared} differences and slopes; if nothing differed, about {by_chance} of
them would be told apart by chance.

The intervals come from a bootstrap over the test images, clips or sequences, and from Student's t over the seeds, which
assumes that figures of seeds are spread normally. Differences are paired. The bootstrap biases some figures, mAP
upwards for one; the intervals are moved back by this bias, but those of Table 1 and of its pages are not. Clips and
sequences are few, and intervals over them are widened by Student's t as well. The minutes are those of two cores
without AVX-512, each of which multiplies matrices of fp32 at 57 GFLOP/s.

- **knn**, **linear**: accuracy of the nearest neighbours and of a linear probe in a folder of photos, means over five
  draws of the training photos; **precision**: among the 20 nearest other photos by cosine, the share of the query's
  category. In the tables named retrieval, the 20 nearest windows of the training images are compared.
- **recall**: the share of queries whose tracked patch is the nearest of all patches; **recall_other_clips**: the share
  for which it is nearer than all patches of other clips.
- **J**, **F**: overlap of regions and of boundaries in label propagation, as DAVIS 2017 defines them.
- **mAP**: of detection after fine-tuning, at an overlap of 0.5.
- **unsup-ft-1.5M**, **-5M**, **-8M**, **-3x**: rows of Table 1, which keep the paper's names. In the small worlds they
  learn from 3/16, 10/16 and all of the shards, and -3x is the ensemble of these three.
- **random**, **untrained**: conv layers as pretraining starts from them. **chance**: a guess, and in label propagation
  the masks of the first frame, which stay in place.
- **tracked**, **still**, **random-box**, **one-patch**, **any-frame**: where the second patch of a pair comes from: the
  track, the query's place 30 frames later, a random box of that frame, the query itself, or a track from a frame that
  the motion rule rejects. In the small world these networks learn by Eq. 2 with the released code's negatives and
  crops, on real clips by InfoNCE with crops and colour jitter, for fewer iterations than in the first table of real
  clips."""


class Source(NamedTuple):
    """Tables that one command makes.

    Attributes:
        target: of the Makefile.
        minutes: what it took on two quiet cores; "" before it was measured.
        folder: of the experiment.
        config: files below `config/`, which have the protocol and, unless `file` is the table, the questions.
        file: a table of the protocol.
        title: heading of that table, if several sources have the file's own.
        data: what the data grant, if the file does not say so itself.
    """

    target: str
    minutes: str
    folder: str
    config: tuple[str, ...] = ("config.yaml",)
    file: str = ""
    title: str = ""
    data: str = ""


SOURCES = (
    Source("evidence", "39", "demo", file="evidence.md"),
    Source("evidence", "39", "demo/hard", file="evidence.md"),
    Source("evidence-real", "45", "examples/real_evidence"),
    Source("evidence-controls", "117", "demo", ("config.yaml", "controls.yaml")),
    Source("evidence-controls", "117", "examples/real_evidence", ("config.yaml", "controls.yaml")),
    Source(
        "evidence-normals",
        "",
        "demo",
        file="evidence_normals.md",
        title="Surface normals of rendered rooms: does pretraining help?",
        data="Rendered rooms, which share neither things nor textures with the clips that the networks learned from.",
    ),
    Source(
        "evidence-normals",
        "",
        "examples/real_mini",
        file="evidence_normals.md",
        title="Surface normals of NYUv2: does pretraining on 16 clips help?",
        data="NYUv2 at half its size, and networks of sixteen real clips: too few to learn from, so a missing gain "
        "says nothing about the paper's four million pairs.",
    ),
    Source(
        "evidence-normals",
        "",
        "examples/real_evidence",
        file="evidence_normals.md",
        title="Surface normals of NYUv2: does pretraining on 125 clips help?",
        data="NYUv2 at half its size, seen at 115 pixels, and the networks of the question whether pretraining on real "
        "clips helps. The rate was chosen for the networks of sixteen clips, at 227 pixels.",
    ),
)


def page(root: Path = ROOT, computed: Collection[str] = ()) -> str:
    """The page from the tables that are kept below `root`.

    Args:
        computed: targets of the Makefile whose tables have just been computed, and are kept from now on.
    """
    sections = [section for source in SOURCES for section in _sections(source, root, source.target in computed)]
    compared = sum(map(_compared, sections))
    introduction = INTRODUCTION.format(compared=compared, by_chance=round(compared / 20))
    return "\n\n".join([introduction, *sections]) + "\n"


def _compared(section: str) -> int:
    """Number of differences and slopes in a section's tables."""
    tables = [part.splitlines() for part in section.split("\n\n") if part.startswith("|")]
    return sum(len(rows) - 1 for head, *rows in tables if "| against |" in head or "| slope |" in head)


def _sections(source: Source, root: Path, is_new: bool) -> Iterator[str]:
    folder = root / source.folder
    config = experiment(PAPER, *(folder / "config" / name for name in source.config))
    protocol = config["voc"]["protocol"]
    made = f"protocol {protocol}; `make {source.target}`"
    made += f", {source.minutes} minutes on two cores" if source.minutes else ""
    tables = Tables(folder / "results/tables" / protocol, root / KEPT / source.folder.replace("/", "-"), is_new)
    if source.file:
        block = config[Path(source.file).stem]
        told = " ".join(filter(None, [source.data, block.get("grants"), f"({source.folder}; {made})"]))
        heading = f"## {source.title or block['title']}\n\n{told}"
        if table := tables.read(source.file, settings_of(config, block)):
            computed = table.text[table.text.index(FIRST_WORDS) :]
            yield "\n\n".join([heading, *table.notes, *map(_lower, computed.split("\n\n"))])
        else:
            yield f"{heading}\n\n{_not_yet(source)}"
        return
    for question in config["questions"]:
        heading = f"## {question['question']}\n\n{question['data']} ({made})"
        if table := tables.read(f"questions/{question['id']}.md", settings_of(config, question)):
            yield "\n\n".join([heading, *table.notes, *table.text.split("\n\n")[2:]])
        else:
            yield f"{heading}\n\n{_not_yet(source)}"


def experiment(*files: Path) -> dict[str, Any]:
    """The complete configuration of several files, each of which changes those before it, as in Snakemake."""
    config: dict[str, Any] = {}
    for file in files:
        update_config(config, deepcopy(_parsed(file.read_text())))
    return complete(config)


@cache
def _parsed(text: str) -> Any:
    """What a text of YAML holds; the paper's configuration takes a tenth of a second, and each table needs it."""
    return yaml.safe_load(text)


def settings_of(config: Mapping[str, Any], block: Mapping[str, Any]) -> str:
    """Digest of the settings that the figures of a table may depend on.

    Args:
        config: the complete configuration.
        block: the table's own block of it.
    """
    rows = {row["id"]: row for row in config["table1"]}
    named = [*block.get("rows", ()), *block.get("detection", {}).values()]
    evaluated = [[rows[row]["models"], rows[row].get("layer")] for row in named]
    lines = [*block.get("lines", {}).values(), *block.get("retrieval", {}).values(), *(each for each, _ in evaluated)]
    networks = sorted({each for name in chain(*lines) for each in [name, *model_graph.ancestors(config, name)]})
    shared = {key: config[key] for key in config.keys() - OF_TABLES - OF_TRAININGS - WITHOUT_EFFECT - {"frozen"}}
    own = {key: value for key, value in block.items() if key not in TEXTS}
    frozen = _frozen(config["frozen"], {figure.rpartition(".")[0] for figure in block.get("figures", ())})
    settings = [shared, own, evaluated, frozen, [_training(config, name) for name in networks]]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def _frozen(frozen: Mapping[str, Any] | None, columns: Collection[str]) -> dict[str, Any]:
    """The settings of frozen networks that some columns depend on."""
    if not frozen or not columns:
        return {}
    own = {part: {name: each for name, each in frozen[part].items() if name in columns} for part in OF_FROZEN}
    return {key: value for key, value in frozen.items() if key != "rows"} | own


def _training(config: Mapping[str, Any], name: str) -> list[Any]:
    """All that the weights of a model depend on beside its parent, the data and their subsets."""
    model = config["models"][name]
    loss = model_graph.loss_settings(config, name) if model["train"] == "ranking" else None
    schedule = config["schedules"].get(model.get("schedule"))
    normals = config["normals"] if model["train"] == "normals" else None
    return [name, model, model_graph.network_settings(config, name), loss, schedule, normals]


class Table(NamedTuple):
    """A table that is kept, with a note if settings have changed since it was computed."""

    text: str
    notes: list[str]


class Tables(NamedTuple):
    """The tables of an experiment.

    Attributes:
        results: folder of the computed tables.
        kept: folder of their copies, whose first line has the digest of the settings that they were computed with.
        is_new: whether the tables of the results have just been computed.
    """

    results: Path
    kept: Path
    is_new: bool

    def read(self, name: str, settings: str) -> Table | None:
        """A table, which is kept if it is new; None if it was never computed.

        Args:
            settings: digest of today's settings of this table.
        """
        computed, kept = self.results / name, self.kept / name
        today = f"<!-- settings {settings} -->"
        if self.is_new and computed.exists():
            keep_text(kept, f"{today}\n{computed.read_text()}")
        if not kept.exists():
            return None
        stamp, text = kept.read_text().split("\n", 1)
        return Table(text.strip(), [] if stamp == today else [CHANGED])


def _lower(text: str) -> str:
    """A paragraph, whose heading comes one level lower."""
    return f"#{text}" if text.startswith("#") else text


def _not_yet(source: Source) -> str:
    return f"**Not computed yet**: `make {source.target}` makes this table."


if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - {source.target for source in SOURCES}:
        sys.exit(f"{', '.join(unknown)}: no table is made so; expected {', '.join({each.target for each in SOURCES})}")
    PAGE.write_text(page(computed=sys.argv[1:]))
    print(f"The page: {PAGE.relative_to(ROOT)}")
