"""What is laid over the pictures of a video and is no part of the scene: logos, subtitles, black bars.

Under a moving camera a logo's points stand still, so that with the camera's motion removed they seem to move; and a
box that holds a bar shows no object. Two ways to know such things: `find_overlay` looks at a few frames of the whole
video and finds what never changes, `stuck_points` at two frames in a row and finds what stays while the scene under it
goes on (a subtitle, which a few frames of the whole video do not show twice).

ASSUME: the paper does not say whether it handled them.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tracklearn.videos.frames import frame_size, probe, read_frames
from tracklearn.videos.packets import packet_table

KEY_FRAMES = 7  # that are looked at
MIN_FRAMES = 4  # fewer say nothing about what never changes
BAR_NOISE = 6  # grey levels over a bar: coding noise
LEAST_PICTURE = 0.5  # of each side between two bars; less is a title on black, or a small thing in the dark
BAR_LEVEL = 48  # grey levels: bars are black (a white one may as well be an overexposed table)
STATIC_NOISE = 12  # grey levels over time of a pixel that does not change
EDGE = 24  # grey levels: contrast between neighbours that makes an edge, ...
EDGES = 15  # ... and the percentage of a frame's pixels that are edges at most, or a busy scene's would meet by chance
MAX_SCENE = 0.05  # share of the edges that may stay while their brightness changes: more are a scene, its camera still
MAX_STATIC = 0.3  # share of the edges that may stay as they are: more are no logo
GROW = 5  # pixels around an overlay where a point's window still touches it

PATCH = 4  # pixels around a point that are compared between two frames: 9 x 9
PATCH_NOISE = 0.06  # mean difference, of the standard deviation, of two patches that are the same: 1/4 px makes more
CODING_NOISE = 0.5  # grey levels that it may be on top
PATCH_CONTRAST = 16.0  # standard deviation in grey levels of a patch that has something on it
CAMERA = 1.5  # pixels that the scene must have moved, or everything is alike


Rectangle = tuple[int, int, int, int]  # left, top, right, bottom in pixels, the last two one past the end


@dataclass(frozen=True)
class Overlay:
    """Where a video's frames show no scene.

    Attributes:
        mask: bool (H, W), True on bars and on static overlays and closely around them.
        left: of the picture between the bars, in pixels; boxes should lie inside [left, right) x [top, bottom).
        top: likewise.
        right: one past the last column.
        bottom: one past the last row.
    """

    mask: np.ndarray
    left: int
    top: int
    right: int
    bottom: int

    @property
    def picture(self) -> Rectangle:
        """Left, top, right and bottom."""
        return self.left, self.top, self.right, self.bottom

    def free(self, points: np.ndarray) -> np.ndarray:
        """Which points, (N, 2) x and y, lie on the scene: bool (N,)."""
        height, width = self.mask.shape
        x = np.clip(np.rint(points[:, 0]).astype(int), 0, width - 1)
        y = np.clip(np.rint(points[:, 1]).astype(int), 0, height - 1)
        return ~self.mask[y, x]


def read_key_frames(path: str | Path, *, size: tuple[int, int], count: int = KEY_FRAMES) -> np.ndarray:
    """Luma of up to `count` key frames, evenly spread over a video: uint8 (K, H, W) as `read_frames` gives them.

    K is 0 where the container names no key frames.

    A key frame costs a seek and the decoding of one frame. Neither the first nor the last ones are preferred: films
    begin and end with black.

    Raises:
        UserError: as `read_frames`.
    """
    keys = packet_table(path).key_frames
    places = ((np.arange(count) + 0.5) / count * len(keys)).astype(int)
    wanted = np.unique(keys[np.unique(places)]) if len(keys) else keys
    images = [image for _, image in read_frames(path, size=size, indices=wanted)]
    return np.stack(images) if images else np.empty((0, *frame_size(probe(path), size)), np.uint8)


def find_overlay(frames: np.ndarray) -> Overlay:
    """Bars and static overlays of a video, from a few of its frames.

    Bars are rows and columns at the border, black in all frames and all along. A static overlay is made of edges that
    stand at the same place in all frames, as bright as before, while the others do not. Under a camera that stands
    still the scene's edges stay too, though light and noise change them: then nothing is an overlay (and its points do
    not count as moving anyway). With fewer than `MIN_FRAMES` frames only bars are found.

    Args:
        frames: uint8 (K, H, W) luma, see `read_key_frames`.
    """
    height, width = frames.shape[1:]
    rows, columns = _bars(frames), _bars(frames.transpose(0, 2, 1))
    if rows is None or columns is None:  # no picture to find bars around
        rows, columns = (0, height), (0, width)
    mask = np.ones((height, width), bool)
    inside = (slice(*rows), slice(*columns))
    mask[inside] = _static(frames[(slice(None), *inside)])
    return Overlay(mask, columns[0], rows[0], columns[1], rows[1])


def stuck_points(previous: np.ndarray, current: np.ndarray, points: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Points that stay on the screen, pixel by pixel, while the camera moves the scene under them: bool (N,).

    A point is stuck when the camera's homography takes it at least 1.5 px away and yet the 9 x 9 pixels around it are
    the same in both frames and have contrast. Something that the camera follows is never the same to that degree.

    Args:
        previous: uint8 (H, W).
        current: the next frame.
        points: float32 (N, 2), x and y in the previous frame.
        homography: (3, 3) from the previous to the current frame, as of `motion.compensated_flow`.
    """
    if not len(points):
        return np.zeros(0, bool)
    expected = cv2.perspectiveTransform(points[:, None].astype(np.float32), homography)[:, 0]
    carried = np.linalg.norm(expected - points, axis=1) >= CAMERA
    before, after = (_windows(frame, points) for frame in (previous, current))  # (N, 81)
    contrast = before.std(axis=1)
    same = np.abs(before - after).mean(axis=1) <= PATCH_NOISE * contrast + CODING_NOISE
    return carried & same & (contrast >= PATCH_CONTRAST)


def _bars(frames: np.ndarray) -> tuple[int, int] | None:
    """First row and one past the last row (axis 1) of what lies between two bars; None where that is too little."""
    if not len(frames):
        return 0, frames.shape[1]
    low, high = frames.min(axis=(0, 2)).astype(int), frames.max(axis=(0, 2)).astype(int)  # (H,)
    plain = (high - low <= BAR_NOISE) & (high <= BAR_LEVEL)
    picture = np.flatnonzero(~plain)
    if not len(picture):
        return None
    first, last = int(picture[0]), int(picture[-1]) + 1
    if last - first < LEAST_PICTURE * len(plain):
        return None
    # Resizing blurs the rim of a bar into one more row on its side of the picture.
    return first + (first > 0), last - (last < len(plain))


def _static(frames: np.ndarray) -> np.ndarray:
    """Pixels of a static overlay and around it: bool (H, W)."""
    nothing = np.zeros(frames.shape[1:], bool)
    if len(frames) < MIN_FRAMES or not nothing.size:
        return nothing
    edges = np.stack([_edges(frame) for frame in frames])  # (K, H, W)
    steady = frames.max(axis=0) - frames.min(axis=0) <= STATIC_NOISE
    static = edges.all(axis=0) & steady
    scene = (edges.sum(axis=0) >= len(frames) - 1) & ~steady
    number = edges.sum(axis=(1, 2)).mean()
    if scene.sum() > MAX_SCENE * number or static.sum() > MAX_STATIC * number:
        return nothing
    # Single pixels agree by chance; a letter is some that touch.
    static = cv2.morphologyEx(static.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(static, connectivity=8)
    large = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] >= 8)
    kept = np.isin(labels, large[large > 0]).astype(np.uint8)
    return cv2.dilate(kept, np.ones((2 * GROW + 1, 2 * GROW + 1), np.uint8)).astype(bool)


def _edges(frame: np.ndarray) -> np.ndarray:
    """Pixels whose 3 x 3 neighbourhood spans the most grey levels, at least `EDGE`: bool (H, W)."""
    span = cv2.morphologyEx(frame, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    return span >= max(EDGE, np.percentile(span[::2, ::2], 100 - EDGES))


def _windows(frame: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The 9 x 9 pixels around each point, edge pixels repeated outside: float32 (N, 81)."""
    height, width = frame.shape
    steps = np.arange(-PATCH, PATCH + 1)
    x = np.clip(np.rint(points[:, 0]).astype(int)[:, None] + steps, 0, width - 1)  # (N, 9)
    y = np.clip(np.rint(points[:, 1]).astype(int)[:, None] + steps, 0, height - 1)
    return frame[y[:, :, None], x[:, None, :]].reshape(len(points), -1).astype(np.float32)
