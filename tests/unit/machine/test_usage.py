"""What a training uses."""

import sys
from types import SimpleNamespace

from tracklearn.machine.usage import Usage


def test_gpus_are_looked_at_once_a_job_uses_them(monkeypatch):
    def utilization(device):
        raise ModuleNotFoundError("nvidia-ml-py does not seem to be installed")

    cuda = SimpleNamespace(
        device_count=lambda: 2,
        is_initialized=lambda: True,
        mem_get_info=lambda device: (3_000_000_000, 4_000_000_000 * (1 + device)),
        utilization=utilization,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    usage = Usage()
    found = {name: value for name, value in usage.look().items() if "gpu" in name}
    assert found == {
        "system/gpu_0_memory_usage_megabytes": 1000.0,
        "system/gpu_0_memory_usage_percentage": 25.0,
        "system/gpu_1_memory_usage_megabytes": 5000.0,
        "system/gpu_1_memory_usage_percentage": 62.5,
    }
    cuda.utilization = lambda device: 90 + device
    assert usage.look()["system/gpu_1_utilization_percentage"] == 91.0
    cuda.is_initialized = lambda: False
    assert not [name for name in usage.look() if "gpu" in name]
