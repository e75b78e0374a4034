import cv2
import numpy as np
import pytest
from worlds.films import BOX, HEIGHT, WIDTH, texture

from tracklearn.mining.tracking.opencv_kcf import fast_side
from tracklearn.mining.tracking.track import Track, shifted_inside
from tracklearn.settings.mining import Tracking

CORNER = (101, 60)


def image(shift=0, tracker="hog"):
    """A texture shifted by (shift, -shift) pixels, as a tracker sees it: luma, or RGB for OpenCV's."""
    moved = cv2.warpAffine(texture(HEIGHT, WIDTH, 4), np.float32([[1, 0, shift], [0, 1, -shift]]), (WIDTH, HEIGHT))
    return moved if tracker == "opencv" else cv2.cvtColor(moved, cv2.COLOR_RGB2GRAY)


def started(frame_indices, frames=2, **settings):
    track = Track(CORNER, BOX, Tracking(frames=frames, **settings))
    track.start(frame_indices, (HEIGHT, WIDTH))
    return track


@pytest.mark.parametrize(("tracker", "near"), [("hog", 0.5), ("opencv", 2)])
def test_one_step(tracker, near):
    """The box has 99 pixels at full scale. OpenCV halves boxes over 80 x 80, so it is exact to 2 pixels."""
    track = started([0, 1], frames=1, tracker=tracker)
    track.advance(0, image(0, tracker))
    track.advance(1, image(6, tracker))
    row = track.finish()
    assert (row["tracked_x"], row["tracked_y"]) == pytest.approx((107, 54), abs=near)
    assert float(row["score"]) == pytest.approx(1, abs=0.2)
    assert (row["status"], row["reason"], row["last_frame"]) == ("tracked", "", 1)
    assert (row["x"], row["y"], row["w"], row["h"]) == (*CORNER, BOX, BOX)


def test_a_journey_needs_its_frames_until_it_ends():
    track = started([3, 5, 7, 9])  # one more than it passes
    assert [index for index in range(12) if track.needs(index)] == [3, 5, 7]
    for index in (2, 3, 4, 5):  # the frames of other tracks are ignored
        track.advance(index, image())
    assert track.needs(7)
    assert track.finish("video failed")["reason"] == "video failed"
    track.advance(7, image())
    assert not track.needs(7)
    row = track.finish("video failed")
    assert (row["status"], row["last_frame"], row["tracked_x"], row["tracked_y"]) == ("tracked", 7, *CORNER)


def test_a_lost_box_needs_no_frames():
    track = started([0, 1, 2, 3], frames=3)
    track.advance(0, image())
    track.advance(1, np.zeros((HEIGHT, WIDTH), np.uint8))
    assert not any(track.needs(index) for index in range(4))
    track.advance(2, image())
    row = track.finish()
    assert (row["status"], row["reason"], row["last_frame"]) == ("lost", "lost", 1)
    assert "tracked_x" not in row


def test_a_missing_frame_ends_the_journey():
    track = started([0, 1, 2])
    track.advance(0, image())
    track.advance(2, image())
    assert not track.needs(2)
    assert track.finish("video failed")["reason"] == "video ended"


def test_a_video_that_is_too_short_ends_the_journey_at_its_start():
    track = started([0, 1])
    assert not track.needs(0)
    track.advance(0, image())
    assert track.finish("video failed")["reason"] == "video ended"


def test_a_journey_that_never_started_has_the_videos_reason():
    row = Track(CORNER, BOX, Tracking()).finish("video failed: no such file")
    assert row == {"x": 101, "y": 60, "w": BOX, "h": BOX, "status": "lost", "reason": "video failed: no such file"}


@pytest.mark.parametrize(("side", "fast"), [(227, 225), (56.75, 56), (24.75, 25), (49.5, 49), (112, 112), (226, 225)])
def test_opencvs_windows_have_no_large_prime_factor(side, fast):
    assert fast_side(side) == fast


def test_boxes_at_the_border():
    whole = (0, 0, 300, 224)
    assert shifted_inside((10, 20), 99, whole, 0.75) == (10, 20)
    assert shifted_inside((-20, 130), 99, whole, 0.75) == (0, 125)
    assert shifted_inside((-30, 20), 99, whole, 0.75) is None
    assert shifted_inside((301, 20), 99, whole, 0.75) is None
    assert shifted_inside((-98, 20), 99, whole, 0.0) == (0, 20)
    assert shifted_inside((5, 110), 99, (10, 20, 290, 190), 0.75) == (10, 91)
    assert shifted_inside((5, 120), 99, (10, 20, 290, 190), 0.75) is None
