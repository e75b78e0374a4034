import os
import signal
import threading

import pytest

from tracklearn.machine.interrupts import exit_code, stop_noted


def handlers():
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


@pytest.fixture(autouse=True)
def interruptible():
    """Handle SIGINT as Python does, and afterwards as before."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_is_noted_and_the_earlier_handlers_are_restored(number, status):
    before = handlers()
    with stop_noted() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
    assert exit_code(stop.signal) == status
    assert handlers() == before


def test_the_first_signal_counts():
    with stop_noted() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert exit_code(stop.signal) == 130


def test_an_ignored_signal_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stop_noted() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert not stop


def test_other_threads_install_no_handlers():
    before, seen = handlers(), []

    def work():
        with stop_noted():
            seen.extend(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == before
