"""What the machine and this process use, under the names by which MLflow shows system metrics."""

import logging
import sys
import time
from contextlib import suppress
from typing import Any

MEGABYTE = 1e6
INTERVAL = 10.0  # seconds between two samples

log = logging.getLogger(__name__)


class Samples:
    """Samples of `Usage`, at most one in `INTERVAL` seconds; a machine that hides what it uses is not asked again."""

    def __init__(self) -> None:
        self._usage: Usage | None = None
        self._is_hidden = False
        self._last_time = 0.0

    def take(self) -> dict[str, float]:
        """What was used since the last sample; nothing at the first call, within the interval, or if it is hidden."""
        if self._is_hidden or (self._usage and time.monotonic() - self._last_time < INTERVAL):
            return {}
        self._last_time = time.monotonic()
        try:
            if self._usage:
                return self._usage.look()
            self._usage = Usage()
        except Exception as error:  # psutil has errors of its own, where a container shows only a part of /proc
            self._is_hidden = True
            reason = f"{type(error).__name__}: {error}"
            log.warning("what the job uses cannot be recorded (%s); it continues without this record", reason)
        return {}


class Usage:
    """Processor, memory and GPUs between two looks, of which each takes under a millisecond without a GPU."""

    def __init__(self) -> None:
        import psutil  # noqa: PLC0415 (jobs that are no trainings do not need it)

        self._psutil, self._process = psutil, psutil.Process()
        self.look()  # processor time counts from here

    def look(self) -> dict[str, float]:
        """`{"system/cpu_utilization_percentage": 93.0, ...}`: means since the last look, and the memory in use now.

        Megabytes are 10^6 bytes. A GPU's utilization is there where the package nvidia-ml-py is installed.
        """
        memory = self._psutil.virtual_memory()
        found = {
            "cpu_utilization_percentage": self._psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / MEGABYTE,
            "system_memory_usage_percentage": memory.percent,
            "process_cpu_percentage": self._process.cpu_percent(),  # of one core
            "process_memory_megabytes": self._process.memory_info().rss / MEGABYTE,
        }
        torch: Any = sys.modules.get("torch")  # a job that did not import it uses no GPU
        for device in range(torch.cuda.device_count() if torch and torch.cuda.is_initialized() else 0):
            with suppress(Exception):  # the training itself reports a GPU in trouble
                free, total = torch.cuda.mem_get_info(device)
                found[f"gpu_{device}_memory_usage_megabytes"] = (total - free) / MEGABYTE
                found[f"gpu_{device}_memory_usage_percentage"] = 100 * (total - free) / total
                found[f"gpu_{device}_utilization_percentage"] = torch.cuda.utilization(device)
        return {f"system/{name}": float(value) for name, value in found.items()}
