import os
import signal
import threading

from tracklearn.training.interrupt import EXIT_CODE, sigterm_noted


def test_sigterm_is_noted_and_the_old_handler_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with sigterm_noted() as noted:
        assert not noted.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert noted.wait(5)
    assert signal.getsignal(signal.SIGTERM) is before
    assert EXIT_CODE == 143


def test_other_threads_install_nothing():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work():
        with sigterm_noted():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
