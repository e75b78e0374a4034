"""Settings on the command line: `snakemake --config 'videos={shard_size: 10}'`."""

from collections.abc import Sequence
from typing import Any

import yaml

from tracklearn.errors import UserError


def command_line_settings(entries: Sequence[str]) -> list[dict[str, Any]]:
    """The settings of each entry, whose value is read as YAML, like those of config.yaml.

    Snakemake itself reads numbers, true, false and null as text if they stand in a block or a list, and null always.

    Args:
        entries: what follows `--config`; each entry is `name=value`.

    Raises:
        UserError: a value is not YAML.
    """
    settings = []
    for entry in entries:
        name, _, value = entry.partition("=")
        try:
            settings.append({name: yaml.safe_load(value)})
        except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a number of 5,000 digits, a date
            problem = getattr(error, "problem", None) or error
            example = "--config 'videos={shard_size: 10}'"
            raise UserError(f"--config {entry}: {problem}; expected YAML in quotes, such as {example}") from error
    return settings
