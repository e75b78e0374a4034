import os

import cv2
import pytest

from tracklearn.machine.threads import one_opencv_thread, set_environment


def test_threads_are_off_within_the_block_even_if_it_fails():
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        with pytest.raises(ValueError, match="inside"), one_opencv_thread():
            assert cv2.getNumThreads() == 1
            raise ValueError("inside")
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)


def test_the_environment_of_jobs_leaves_what_the_user_has_set(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")
    set_environment()
    environment = {name: os.environ[name] for name in ("OMP_WAIT_POLICY", "GLIBC_TUNABLES")}
    assert environment == {"OMP_WAIT_POLICY": "PASSIVE", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}
