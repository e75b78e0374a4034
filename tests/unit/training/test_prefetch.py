import threading
import time

import pytest

from tracklearn.training.prefetch import prefetch


def test_results_come_in_order_however_long_they_take():
    def make(item):
        time.sleep(0.02 if item % 3 == 0 else 0)
        return item * item

    assert list(prefetch(make, 2, 30, workers=4)) == [item * item for item in range(2, 30)]


def test_work_is_done_ahead_but_not_far():
    made = []
    batches = prefetch(lambda item: made.append(item) or item, 0, 100, workers=2)
    assert next(batches) == 0
    deadline = time.monotonic() + 5
    while len(made) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(made) == [0, 1, 2, 3, 4, 5]
    batches.close()
    assert len(made) == 6


def test_an_error_is_raised_when_its_result_is_due():
    batches = prefetch(lambda item: 1 // (item - 2), 0, 10)
    assert [next(batches), next(batches)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(batches)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batch")]


def test_an_empty_range_has_no_results():
    assert list(prefetch(lambda item: item, 5, 5)) == []
