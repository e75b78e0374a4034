"""Snakemake, which asks SLURM for the state of its jobs every second.

Its plugin waits ten seconds longer each time that no job has ended, and no option shortens these.
"""

import asyncio

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def one_second(executor: RemoteExecutor) -> None:
    """Wait between two looks at the queue."""
    await asyncio.sleep(1)


if __name__ == "__main__":
    RemoteExecutor.sleep = one_second
    main()
