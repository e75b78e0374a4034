"""If a process is killed, the training ends with one line, whatever the process was doing."""

import inspect
import os
import signal
import time

import pytest
import torch

from tracklearn.errors import UserError
from tracklearn.training import launch as launching
from tracklearn.training.distributed import joined_processes
from tracklearn.training.launch import _failure, _Listener, launch


def killed(*, how, threads, report):
    """Process 1 is killed while it sends something; process 0 waits for it."""
    with joined_processes(torch.device("cpu")) as world:
        report(world.rank, {})
        world.largest(0)
        if world.rank == 1:
            queue = inspect.getclosurevars(report).nonlocals["messages"]
            queue._wlock.acquire()
            if how == "cut":
                os.write(queue._writer.fileno(), b"\0\0\1\0half of a message of 256 bytes")
            os.kill(os.getpid(), signal.SIGKILL)
        world.largest(0)
    return {}


@pytest.mark.parametrize("how", ["locked", "cut"])
def test_a_process_killed_while_it_sends_gives_one_line(how, monkeypatch, capfd):
    monkeypatch.setattr(launching, "REST", 1.0)
    with pytest.raises(UserError) as raised:
        launch(killed, processes=2, threads=2, how=how)
    assert str(raised.value) == (
        "training: process 1 of 2 ended with status 137, killed, as the system does when memory runs out; use fewer "
        "processes or a smaller batch, or ask for more memory, and run again; the last checkpoint is kept"
    )
    assert "Traceback" not in capfd.readouterr().err  # process 0, whose exchange failed, prints nothing


def broken(*, threads, report):
    with joined_processes(torch.device("cpu")) as world:
        if world.rank == 1:
            raise ValueError("a bug")
        world.largest(0)
    return {}


def test_a_bug_keeps_its_traceback():
    with pytest.raises(RuntimeError, match=r"^process 1 of 2 ended with status 1$") as raised:
        launch(broken, processes=2, threads=2)
    assert "ValueError: a bug" in str(raised.value.__cause__)


def test_the_status_of_a_process_decides_the_exception():
    assert str(_failure(0, 4, -signal.SIGBUS)) == (
        "training: process 0 of 4 ended with status 135, a bus error: a file was cut short while it was read, or its "
        "disk failed; pack the shards that changed again, and run again; the last checkpoint is kept"
    )
    assert isinstance(_failure(0, 4, -signal.SIGBUS), UserError)
    for status in (143, -15):
        assert isinstance(stopped := _failure(0, 4, status), SystemExit)
        assert stopped.code == 143
    assert isinstance(crashed := _failure(2, 4, -signal.SIGSEGV), RuntimeError)
    assert str(crashed) == "process 2 of 4 ended with status 139"


def test_a_message_that_cannot_be_passed_on_does_not_stop_the_others(caplog):
    passed = []

    def report(step, values):
        if step == 1:
            raise ValueError("no such curve")
        passed.append(step)

    messages = launching.get_context("spawn").Queue()
    listener = _Listener(messages, report)
    for step in range(3):
        messages.put(("report", (step, {})))
    messages.put(("error", "00007.h5: no such file"))
    deadline = time.monotonic() + 20
    while not listener.errors and time.monotonic() < deadline:
        time.sleep(0.01)
    listener.stop()
    assert (passed, listener.errors) == ([0, 2], ["00007.h5: no such file"])
    assert "no such curve" in caplog.text
