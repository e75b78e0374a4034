import ctypes
import faulthandler
import gc
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tracklearn.machine.workers import Lost, Workers, forking

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")

PROGRAM = """
import ctypes, os, sys
from tracklearn.machine.workers import Workers

def hang(task):
    os.write(1, b"%d\\n" % os.getpid())  # at once: the other process writes too
    ctypes.PyDLL(None).pause()

with Workers(hang, 2) as workers:
    workers.begin(1)
    workers.begin(2)
    workers.outcomes()
"""


def outcome(function, task=0, **options):
    """The outcome of one task."""
    with Workers(function, 1, **options) as workers:
        workers.begin(task)
        [(own, found)] = workers.outcomes()
    assert own == task
    return found


def crash(number):
    faulthandler.disable()
    os.kill(os.getpid(), number)


def read_null(_task):
    faulthandler.disable()
    ctypes.string_at(0)


def hang(_task):
    """A call of C that keeps Python's lock: no other thread of the process can do anything."""
    ctypes.PyDLL(None).pause()


def test_every_task_has_its_result():
    with Workers(lambda task: (task * task, os.getpid()), 3) as workers:
        found, tasks = {}, [*range(20)]
        while len(found) < 20:
            while workers.free and tasks:
                workers.begin(tasks.pop())
            found |= dict(workers.outcomes())
    assert {task: square for task, (square, _) in found.items()} == {task: task * task for task in range(20)}
    processes = {process for _, process in found.values()}
    assert 1 <= len(processes) <= 3
    assert os.getpid() not in processes


@pytest.mark.parametrize("size", [0, 10_000_000])
def test_results_may_be_larger_than_a_pipe(size):
    assert outcome(lambda task: b"x" * task, size) == b"x" * size


def test_a_task_that_hangs_in_a_call_of_c_is_ended():
    start = time.monotonic()
    assert outcome(hang, limit=0.5) == Lost(None)
    assert time.monotonic() - start >= 0.5


@pytest.mark.parametrize(
    ("function", "task", "reason"),
    [
        (read_null, 0, "was ended by SIGSEGV (Segmentation fault)"),
        (crash, signal.SIGABRT, "was ended by SIGABRT (Aborted)"),
        (crash, signal.SIGKILL, "was ended by SIGKILL (as when memory runs out)"),
        (os._exit, 3, "ended with status 3"),
        (os._exit, 0, "ended with status 0"),
    ],
)
def test_a_process_that_ends_in_a_task_is_noticed(function, task, reason):
    assert outcome(function, task).reason == reason


def test_a_signal_from_outside_is_no_fault_of_the_task():
    faults = {number for number in signal.Signals if not Lost(-number).killed}
    assert faults == {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
    assert not any(Lost(status).killed for status in (None, 0, 1))


def test_a_lost_process_is_replaced():
    with Workers(lambda task: os._exit(1) if task == "bad" else task, 1) as workers:
        for task in ("good", "bad", "good"):
            workers.begin(task)
            assert workers.outcomes() == [(task, Lost(1) if task == "bad" else task)]


def test_a_process_that_was_killed_between_two_tasks_costs_no_task():
    with Workers(lambda _: os.getpid(), 1) as workers:
        workers.begin(1)
        [(_, first)] = workers.outcomes()
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not workers._idle[0].process.is_alive())
        workers.begin(2)
        [(_, second)] = workers.outcomes()
    assert second not in (first, os.getpid())


def test_no_pipe_closes_while_a_process_starts():
    """The new process would close the file that has got the pipe's number: its own end of a pipe."""
    with Workers(lambda task: task, 1) as workers:
        workers.begin(1)
        workers.outcomes()
        [worker] = workers._idle
        killing = threading.Thread(target=worker.kill)
        with forking:
            killing.start()
            wait_for(lambda: not worker.process.is_alive())
            killing.join(0.3)
            assert not worker.connection.closed
        killing.join()
        assert worker.connection.closed
        workers._idle.clear()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_ends_a_job_is_passed_on(number):
    def end(task):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        crash(task)

    with pytest.raises(SystemExit) as ended:
        outcome(end, number)
    assert ended.value.code == 128 + number


def test_errors_keep_their_type_and_their_traceback():
    with pytest.raises(ZeroDivisionError, match="division by zero") as found:
        outcome(lambda task: 1 / task)
    assert "outcome(lambda task: 1 / task)" in found.value.__notes__[0]


def test_an_error_or_a_result_that_does_not_pickle_is_an_error_with_a_traceback():
    class LocalError(Exception):
        pass

    def fail(_task):
        raise LocalError("no room")

    with pytest.raises(RuntimeError, match="LocalError: no room"):
        outcome(fail)
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        outcome(lambda _: lambda: 0)


def test_no_process_is_left_after_the_block():
    with Workers(hang, 2) as workers:
        workers.begin(1)
        workers.begin(2)
        processes = [worker.process for worker, _, _ in workers._busy.values()]
        assert all(process.is_alive() for process in processes)
    assert [process.exitcode for process in processes] == [-signal.SIGKILL] * 2


def test_garbage_of_the_parent_is_not_freed_in_a_process():
    """A decoder's garbage waits for its threads when it is freed, and a fork has none of them."""
    here = os.getpid()

    class Trap:
        def __init__(self):
            self.itself = self

        def __del__(self):
            if os.getpid() != here:
                os._exit(9)

    gc.disable()
    try:
        Trap()
        assert outcome(lambda _: (gc.collect(), gc.isenabled())[1]) is True
        assert not gc.isenabled()
    finally:
        gc.enable()


@linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_survives_its_parent(number):
    """Nor does one that hangs in a call of C."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    processes = [int(parent.stdout.readline()) for _ in range(2)]
    assert all(map(is_running, processes))
    parent.send_signal(number)
    assert parent.wait(60) in (-number, 128 + number)
    wait_for(lambda: not any(map(is_running, processes)))


def is_running(process):
    """Whether a process is there and is no zombie."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition):
    """Wait until a condition holds, a minute at most."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("nothing happened within a minute")
