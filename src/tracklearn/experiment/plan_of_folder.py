"""The plan of the current folder's experiment, without Snakemake."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tracklearn.errors import UserError
from tracklearn.experiment.command_line import command_line_settings
from tracklearn.experiment.configuration import complete
from tracklearn.experiment.plan import Plan

PAPER = Path(__file__).parents[3] / "config/config.yaml"
VIDEOS = 100_000  # of the paper; the length of a list that is not there


def plan_of_folder(settings: Sequence[str] = (), videos: int | None = None) -> Plan:
    """The plan of the current folder, as Snakemake makes it.

    Args:
        settings: what follows `--config`.
        videos: length of the list of videos; by default that of the list, or the paper's if there is none.

    Raises:
        UserError: see `Plan`.
    """
    config = _settings_in(PAPER)
    own = Path("config/config.yaml")
    for update in [_settings_in(own) if own.exists() else {}, *command_line_settings(settings)]:
        config = _updated(config, update)
    is_there = Path(complete(config)["videos"]["list"]).exists()
    return Plan(config, videos=videos or (None if is_there else VIDEOS))


def _settings_in(path: Path) -> dict[str, Any]:
    """The settings of a file.

    Raises:
        UserError: it cannot be read, or is not YAML of `name: value`.
    """
    try:
        found = yaml.safe_load(path.read_bytes()) or {}
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected a file of settings") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a number of 5,000 digits, a date
        raise UserError(f"{path}: {error}; expected YAML") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: {type(found).__name__}; expected settings, such as `videos: {{shard_size: 10}}`")
    return found


def _updated(config: Mapping[str, Any], update: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with those of `update`: blocks are merged, and everything else is replaced, as Snakemake does it."""
    blocks = {
        key: _updated(config[key], value)
        for key, value in update.items()
        if isinstance(value, dict) and isinstance(config.get(key), dict)
    }
    return {**config, **update, **blocks}
