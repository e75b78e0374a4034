"""What Snakemake prints: one line that lives on a terminal, and elsewhere a line for each finished job.

Snakemake finds this package by its name (https://snakemake.github.io/snakemake-plugin-catalog), and the profile names
it: `logger: tracklearn`. The package imports nothing of tracklearn, since Snakemake imports it before any workflow.
"""

from snakemake_logger_plugin_tracklearn.handler import LogHandler

__all__ = ["LogHandler"]
