"""Configurations in YAML: the file, and `--config` on the command line."""

from pathlib import Path
from random import Random

import yaml
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from fuzz.mutations import TEXT
from tracklearn.errors import UserError
from tracklearn.experiment.command_line import command_line_settings
from tracklearn.experiment.configuration import complete

REPOSITORY = Path(__file__).parents[3]
TAGS = (
    "!!python/object/apply:os.system ['touch ../outside']", "!!python/name:os.system", "!!binary aGk=", "!x y",
    "&a [*a]", "&a {b: *a}", "2001-01-01", "1e3", ".inf", ".nan", "-.inf", "0o17", "1_000", "yes", "~", "[]", "{}",
    "[[[[]]]]", "''", "{{{}: 1}: 2}", "? [a, b]", "-1", "1e400", "0", "!!set {a, b}", "!!omap [a: 1]", "9" * 5000,
    "<<: *default",
)  # fmt: skip


def value(data: bytes, rng: Random) -> bytes:
    """The value of one key becomes another."""
    lines = data.split(b"\n")
    keys = [index for index, line in enumerate(lines) if b": " in line or line.endswith(b":")]
    if not keys:
        return data
    index = rng.choice(keys)
    name = lines[index].partition(b":")[0]
    lines[index] = name + b": " + rng.choice(TAGS).encode()
    return b"\n".join(lines)


def bomb(data: bytes, rng: Random) -> bytes:
    """Aliases of aliases, which stand for many values, or for as many as no computer counts, under a known key.

    They are lists, since Snakemake itself walks through all mappings when it joins two files.
    """
    text = "&x0 [1, 2]"
    for level in range(rng.choice((2, 5, 9, 30))):
        text = f"&x{level + 1} [{text}, {', '.join([f'*x{level}'] * 8)}]"
    key = rng.choice(("models", "voc", "mining", "table1", "comparisons", "schedules", "subsets", "scenes", "other"))
    return data + f"\n{key}: {text}\n".encode()


def deep(data: bytes, rng: Random) -> bytes:
    depth = rng.choice((10, 200, 3000))
    return data + b"\nmodels: " + b"[" * depth + b"]" * depth + b"\n"


EDITS = {".yaml": [*TEXT, value, value, value, bomb, deep]}


def write_samples(folder: Path) -> None:
    for name, path in {"paper": "config/config.yaml", "demo": "demo/config/config.yaml"}.items():
        (folder / f"{name}.yaml").write_bytes((REPOSITORY / path).read_bytes())
    (folder / "argument.yaml").write_text("{shard_size: 10, list: data/videos.tsv}")


def mutated(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read(folder: Path, name: str) -> None:
    path = Path(name)
    if name == "argument.yaml":
        settings = command_line_settings([f"videos={path.read_bytes().decode(errors='replace')}"])
        config = complete(settings[0])
    else:
        try:
            loaded = load_configfile(str(path)) or {}
        except (WorkflowError, ValueError, RecursionError) as error:  # Snakemake's own, before this package reads
            raise UserError(f"snakemake: {type(error).__name__}") from error
        config = load_configfile(str(REPOSITORY / "config/config.yaml"))
        update_config(config, loaded)  # as Snakemake joins the files
        config = complete(config)
    assert complete(config) == config
    assert len(yaml.safe_dump(config)) < 1_000_000
