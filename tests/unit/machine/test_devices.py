"""Processes are distributed over GPUs, which are only names here: no GPU is needed."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from tracklearn.machine import devices

GPUS = ["GPU-a", "GPU-b"]

HOLDER = """
import sys
from pathlib import Path
from tracklearn.machine.devices import claim
print(claim(sys.argv[2:], Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Start a process that claims a GPU and holds it until it is killed."""
    processes = []

    def start(*names):
        command = [sys.executable, "-c", HOLDER, str(tmp_path), *names]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process, int(process.stdout.readline())

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(autouse=True)
def locks_released(monkeypatch):
    lock_files = []
    monkeypatch.setattr(devices, "_lock_files", lock_files)
    yield
    devices.own_device.cache_clear()
    for file in lock_files:
        file.close()


def test_each_process_has_its_own_gpu_until_it_ends(holder, tmp_path):
    first, taken = holder(*GPUS)
    assert taken == 0
    assert holder(*reversed(GPUS))[1] == 0  # GPU-b, in another order: the locks are by name
    first.kill()
    first.wait()
    assert devices.claim(GPUS, tmp_path) == 0


def test_more_processes_than_gpus_share_them_evenly(tmp_path):
    assert [devices.claim(GPUS, tmp_path) for _ in range(5)] == [0, 1, 0, 1, 0]
    assert devices.claim(["GPU-c"], tmp_path) == 0


def fake_cuda(monkeypatch, tmp_path, uuids):
    chosen = []
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(uuids))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(uuids))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=uuids[index]))
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    return chosen


def test_a_process_keeps_its_gpu(monkeypatch, tmp_path):
    chosen = fake_cuda(monkeypatch, tmp_path, GPUS)
    assert devices.own_device() == devices.own_device() == torch.device("cuda", 0)
    devices.own_device.cache_clear()  # as another process
    assert devices.own_device() == torch.device("cuda", 1)
    assert chosen == [0, 1]


def test_the_only_visible_gpu_is_used_even_if_other_processes_use_it(monkeypatch, tmp_path):
    fake_cuda(monkeypatch, tmp_path, GPUS[1:])
    devices.own_device()
    devices.own_device.cache_clear()
    assert devices.own_device() == torch.device("cuda", 0)


def test_without_a_gpu_the_device_is_the_cpu(monkeypatch, tmp_path):
    fake_cuda(monkeypatch, tmp_path, [])
    assert devices.own_device() == torch.device("cpu")
    assert not any(tmp_path.iterdir())
