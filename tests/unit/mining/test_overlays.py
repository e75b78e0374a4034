import cv2
import numpy as np
import pytest
from worlds.films import HEIGHT, WIDTH, film, texture, write_film

from tracklearn.mining.motion import compensated_flow
from tracklearn.mining.overlays import KEY_FRAME_COUNT, find_overlay, read_key_frames, stuck_points
from tracklearn.mining.surf import interest_points
from tracklearn.videos.frames import probe, read_frames

SIZE = (HEIGHT, WIDTH)
LOGO = (slice(16, 40), slice(230, 280))  # rows, columns


def scene(shift, seed=5, noise=2.0):
    """A textured background under a camera that has panned by `shift` pixels, with noise: uint8 (H, W)."""
    ground = cv2.cvtColor(texture(HEIGHT, WIDTH + 400, seed), cv2.COLOR_RGB2GRAY)
    moved = cv2.warpAffine(ground, np.float32([[1, 0, -shift], [0, 1, 0]]), (WIDTH, HEIGHT))
    noisy = moved + np.random.default_rng([7, int(shift * 8)]).normal(0, noise, moved.shape)
    return np.clip(noisy, 30, 235).astype(np.uint8)


def stamped(frame, text="TV"):
    """The frame with a logo of white letters on black in its corner."""
    frame = frame.copy()
    frame[LOGO] = 20
    cv2.putText(frame, text, (236, 36), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 235, 2)
    return frame


def test_a_logo_under_a_moving_camera():
    overlay = find_overlay(np.stack([stamped(scene(50 * k)) for k in range(7)]))
    outside = overlay.mask.copy()
    outside[5:51, 219:291] = False
    assert overlay.mask[LOGO].mean() > 0.7
    assert not outside.any()
    assert overlay.between_bars == (0, 0, WIDTH, HEIGHT)
    assert overlay.on_scene(np.float32([[255, 28], [100, 100], [-3, 500]])).tolist() == [False, True, True]


def test_a_still_scene_is_no_overlay():
    """Nothing moves; with noise, without noise, under changing light, and with a logo."""
    for frames in (
        [scene(0, noise=2) + np.uint8(k % 2) for k in range(7)],
        [scene(0, noise=0) for _ in range(7)],
        [np.clip(scene(0) * (0.8 + 0.05 * k), 0, 255).astype(np.uint8) for k in range(7)],
        [stamped(scene(0)) for _ in range(7)],
    ):
        assert not find_overlay(np.stack(frames)).mask.any()


def test_scenes_without_a_logo_have_no_overlay():
    assert not find_overlay(np.stack([scene(40 * k, seed=k) for k in range(7)])).mask.any()


def test_no_logo_is_found_in_few_frames():
    frames = np.stack([stamped(scene(50 * k)) for k in range(3)])
    assert not find_overlay(frames).mask.any()
    assert not find_overlay(frames[:0]).mask.any()


@pytest.mark.parametrize("level", [16, 0])
def test_black_bars(level):
    """Bars of 30 rows above, 20 rows below and 45 columns on the left."""
    frames = np.stack([scene(50 * k) for k in range(7)])
    noise = np.random.default_rng(0).integers(0, 4, frames.shape, np.uint8)
    bars = np.ones(frames.shape[1:], bool)
    bars[30 : HEIGHT - 20, 45:] = False
    frames = np.where(bars, level + noise, frames).astype(np.uint8)
    overlay = find_overlay(frames)
    assert overlay.between_bars == (46, 31, WIDTH, HEIGHT - 21)  # each bar with one more row or column, its rim
    assert overlay.mask[bars].all()
    assert overlay.mask.mean() < bars.mean() + 0.02
    assert find_overlay(frames[:1]).between_bars == overlay.between_bars  # one frame is enough


def test_black_frames_and_white_walls_are_no_bars():
    black = np.full((7, *SIZE), 16, np.uint8)
    assert not find_overlay(black).mask.any()
    walls = np.stack([scene(50 * k) for k in range(7)])
    walls[:, :60] = 235
    assert find_overlay(walls).between_bars == (0, 0, WIDTH, HEIGHT)
    fades = np.stack([black[0], *[scene(50 * k) for k in range(6)]])
    assert find_overlay(fades).between_bars == (0, 0, WIDTH, HEIGHT)


def test_subtitles_stick_to_the_screen_while_the_camera_moves():
    frame, following = stamped(scene(0)), stamped(scene(4))
    points = interest_points(frame, {"surf_threshold": 0.3})
    _, homography = compensated_flow(frame, following, points, flow="lucas-kanade")
    letters = np.float32([[240, 22], [250, 28], [262, 28]])
    assert stuck_points(frame, following, letters, homography).all()
    x, y = points.T
    outside = points[(y < 8) | (y >= 50) | (x < 220) | (x >= 290)]
    assert len(outside) > 50
    assert not stuck_points(frame, following, outside, homography).any()


def test_nothing_sticks_where_the_camera_stands_still():
    frame, following = stamped(scene(0)), stamped(scene(0.5))
    points = interest_points(frame, {"surf_threshold": 0.3})
    assert not stuck_points(frame, following, points, np.eye(3)).any()
    assert stuck_points(frame, following, points[:0], np.eye(3)).shape == (0,)


def test_an_object_that_the_camera_follows_does_not_stick():
    """A square moves by half a pixel on the screen, its background by three pixels."""
    frames = film(2, step=(3.5, 0), pan=3, start=(40, 60))
    frame, following = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in frames)
    points = interest_points(frame, {"surf_threshold": 0.3})
    _, homography = compensated_flow(frame, following, points, flow="lucas-kanade")
    assert stuck_points(frame, following, points, homography).mean() < 0.01


def test_key_frames_are_spread_over_the_video(tmp_path):
    """Of the key frames 0, 15, ..., 135 the seven that divide the video evenly."""
    write_film(tmp_path / "v.mp4", film(150))
    frames = read_key_frames(tmp_path / "v.mp4", size=SIZE)
    assert frames.shape == (KEY_FRAME_COUNT, *SIZE)
    expected = [image for _, image in read_frames(tmp_path / "v.mp4", size=SIZE, indices=[0, 30, 45, 75, 90, 105, 135])]
    np.testing.assert_array_equal(frames, expected)
    write_film(tmp_path / "short.mp4", film(3))
    assert read_key_frames(tmp_path / "short.mp4", size=SIZE).shape == (1, *SIZE)


@pytest.mark.real
def test_real_clips_have_no_overlay(real_data):
    """None of the clips has a logo or bars; their cameras stand still, sway or are carried."""
    for path in sorted((real_data / "videos").iterdir()):
        count = probe(path).frames
        indices = np.unique(np.linspace(0, count - 1, KEY_FRAME_COUNT).astype(int))
        evenly_spread = np.stack([image for _, image in read_frames(path, size=SIZE, indices=indices)])
        for frames in (evenly_spread, read_key_frames(path, size=SIZE)):
            assert not find_overlay(frames).mask.any(), path.name


@pytest.mark.real
def test_a_logo_on_a_real_clip(real_data):
    """On a clip from a carried camera only the stamped letters are found."""
    path = real_data / "videos" / "arm_wrestling.mp4"
    frames = np.stack([image for _, image in read_frames(path, size=SIZE, indices=range(0, 280, 46))])
    overlay = find_overlay(np.stack([stamped(frame) for frame in frames]))
    assert overlay.mask[LOGO].mean() > 0.7
    overlay.mask[5:51, 219:291] = False
    assert not overlay.mask.any()


def test_a_title_on_black_does_not_lie_between_bars():
    frame = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.putText(frame, "TITLE", (90, 120), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2)
    overlay = find_overlay(frame[None])
    assert overlay.between_bars == (0, 0, WIDTH, HEIGHT)
    assert not overlay.mask.any()
