"""What the command line says: settings (`snakemake --config 'videos={shard_size: 10}'`) and options of plugins."""

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


def check_executor(settings: object) -> None:
    """Refuse arrays of SLURM jobs, which hang a run.

    The plugin never submits jobs of a rule that become ready before all jobs of the rule are, and they keep their
    places among the jobs at once (snakemake-executor-plugin-slurm, issue 473).

    Args:
        settings: of the plugin that runs the jobs, from the command line or a profile; None for a dry run.

    Raises:
        UserError: the plugin for SLURM is asked for arrays.
    """
    if rules := getattr(settings, "array_jobs", None):
        raise UserError(
            f"slurm-array-jobs: {rules}: the plugin for SLURM never submits some of these jobs, and the run hangs "
            "(snakemake-executor-plugin-slurm, issue 473); leave this option out"
        )
