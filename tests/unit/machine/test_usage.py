"""What a training uses."""

import sys
from types import SimpleNamespace

import pytest

from tracklearn.machine import usage as usage_module
from tracklearn.machine.usage import Samples, Usage


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


@pytest.fixture
def clock(monkeypatch):
    """A clock whose `time` a test sets, in seconds."""
    found = SimpleNamespace(time=100.0)
    monkeypatch.setattr(usage_module.time, "monotonic", lambda: found.time)
    return found


def test_a_sample_is_taken_after_each_interval(clock):
    samples = Samples()
    assert samples.take() == {}  # from now on processor time counts
    clock.time += usage_module.INTERVAL - 1
    assert samples.take() == {}
    clock.time += 1
    assert "system/cpu_utilization_percentage" in samples.take()
    clock.time += usage_module.INTERVAL - 1
    assert samples.take() == {}
    clock.time += 1
    assert "system/process_memory_megabytes" in samples.take()


def test_a_machine_that_hides_its_use_is_asked_once(clock, monkeypatch, caplog):
    def refused(self):
        asked.append(self)
        raise PermissionError("no /proc/meminfo")

    asked = []
    monkeypatch.setattr(Usage, "look", refused)
    samples = Samples()
    for _ in range(3):
        assert samples.take() == {}
        clock.time += usage_module.INTERVAL
    assert len(asked) == 1
    assert [record.message for record in caplog.records] == [
        "what the job uses cannot be recorded (PermissionError: no /proc/meminfo); it continues without this record"
    ]
