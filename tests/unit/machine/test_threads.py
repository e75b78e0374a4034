import cv2
import pytest

from tracklearn.machine.threads import one_opencv_thread


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
