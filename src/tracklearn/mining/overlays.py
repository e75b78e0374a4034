"""Overlays, which lie over the frames of a video and are no part of the scene: logos, subtitles, black bars.

The points of a logo stand still under a moving camera, so they seem to move once the camera's motion is removed; and a
box that holds a part of a bar shows less of the object. Overlays are found in two ways. `find_overlay` compares a few
frames of the whole video and finds what never changes. `stuck_points` compares two consecutive frames and finds what
stays in place while the scene moves. So it also finds a subtitle, which no two of those few frames share.

ASSUME: the paper does not say whether it handled overlays.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tracklearn.videos.frames import frame_size, probe, read_frames
from tracklearn.videos.packets import packet_table

KEY_FRAME_COUNT = 7  # number of compared frames
MIN_FRAMES = 4  # with fewer, only bars are found
BAR_NOISE = 6  # grey levels, largest range of a bar's pixels (coding noise)
# Grey levels, largest value in a bar. A brighter border may belong to the scene, for example to an overexposed table.
BAR_LEVEL = 48
MIN_BETWEEN_BARS = 0.5  # least share of each side between two bars; less is a title on black or a scene in the dark
STATIC_NOISE = 12  # grey levels, largest range over time of a pixel that does not change
MIN_EDGE_CONTRAST = 24  # grey levels, least contrast of an edge pixel with its neighbours
MAX_EDGE_PERCENT = 15  # largest share of edge pixels in a frame; more would coincide by chance in a busy scene
# Largest share of the edges that stay while their brightness changes. If more edges change their brightness, the scene
# itself stands still.
MAX_SCENE = 0.05
MAX_STATIC = 0.3  # largest share of the edges that stay unchanged. If more edges stay unchanged, they are no logo.
GROW = 5  # pixels around an overlay in which the window of a point still touches it

NEIGHBOURHOOD_RADIUS = 4  # pixels on each side of a point that are compared between two frames: 9 x 9
# Largest mean difference of two equal neighbourhoods, in standard deviations; 1/4 pixel of motion is more.
NEIGHBOURHOOD_NOISE = 0.06
CODING_NOISE = 0.5  # grey levels, added to that difference
NEIGHBOURHOOD_CONTRAST = 16.0  # grey levels, least standard deviation of a neighbourhood with contrast
MIN_CAMERA_MOTION = 1.5  # pixels that the scene must move; with less motion every neighbourhood stays

Rectangle = tuple[int, int, int, int]  # left, top, right, bottom in pixels, the last two one past the end


@dataclass(frozen=True)
class Overlay:
    """The parts of a video's frames that show no scene.

    Attributes:
        mask: bool (H, W), True on bars, on static overlays and closely around them.
        between_bars: the area between the bars, in which boxes should lie.
    """

    mask: np.ndarray
    between_bars: Rectangle

    def on_scene(self, points: np.ndarray) -> np.ndarray:
        """Whether each of the points, (N, 2) x and y, lies on the scene: bool (N,)."""
        height, width = self.mask.shape
        x = np.clip(np.rint(points[:, 0]).astype(int), 0, width - 1)
        y = np.clip(np.rint(points[:, 1]).astype(int), 0, height - 1)
        return ~self.mask[y, x]


def read_key_frames(path: str | Path, *, size: tuple[int, int], count: int = KEY_FRAME_COUNT) -> np.ndarray:
    """Luma of at most `count` key frames, evenly spread over a video: uint8 (K, H, W), as from `read_frames`.

    K is 0 where the container has no index of key frames. A key frame costs a seek and the decoding of one frame. The
    very first and last ones are avoided, since films begin and end with black.

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

    A bar consists of rows or columns at the border that are black from end to end in all frames. A static overlay
    consists of edges that keep their place and their brightness in all frames while other edges do not. If the camera
    stands still, the edges of the scene stay too, with changes of light and noise; then nothing counts as an overlay,
    and the points of a logo do not count as moving anyway. With fewer than `MIN_FRAMES` frames only bars are found.

    Args:
        frames: uint8 (K, H, W) luma, see `read_key_frames`.
    """
    height, width = frames.shape[1:]
    rows, columns = _rows_between_bars(frames), _rows_between_bars(frames.transpose(0, 2, 1))
    if rows is None or columns is None:  # too little lies between the bars
        rows, columns = (0, height), (0, width)
    mask = np.ones((height, width), bool)
    inside = (slice(*rows), slice(*columns))
    mask[inside] = _static(frames[(slice(None), *inside)])
    return Overlay(mask, (columns[0], rows[0], columns[1], rows[1]))


def stuck_points(frame: np.ndarray, following: np.ndarray, points: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Whether each point stays on the screen while the camera moves the scene under it: bool (N,).

    A point is stuck if the camera's homography moves it by at least `MIN_CAMERA_MOTION` pixels and yet the 9 x 9 pixels
    around it have contrast and are the same in both frames. An object that the camera follows changes more.

    Args:
        frame: uint8 (H, W).
        following: the next frame, uint8 (H, W).
        points: float32 (N, 2), x and y in `frame`.
        homography: (3, 3) from the frame to the following one, see `motion.compensated_flow`.
    """
    if not len(points):
        return np.zeros(0, bool)
    expected = cv2.perspectiveTransform(points[:, None].astype(np.float32), homography)[:, 0]
    moved_by_camera = np.linalg.norm(expected - points, axis=1) >= MIN_CAMERA_MOTION
    before, after = _neighbourhoods(frame, points), _neighbourhoods(following, points)  # (N, 81)
    contrast = before.std(axis=1)
    same = np.abs(before - after).mean(axis=1) <= NEIGHBOURHOOD_NOISE * contrast + CODING_NOISE
    return moved_by_camera & same & (contrast >= NEIGHBOURHOOD_CONTRAST)


def _rows_between_bars(frames: np.ndarray) -> tuple[int, int] | None:
    """First row between the two bars, and one past the last such row; None if too few rows lie between them."""
    if not len(frames):
        return 0, frames.shape[1]
    low, high = frames.min(axis=(0, 2)).astype(int), frames.max(axis=(0, 2)).astype(int)  # (H,)
    black = (high - low <= BAR_NOISE) & (high <= BAR_LEVEL)
    between = np.flatnonzero(~black)
    if not len(between):
        return None
    first, last = int(between[0]), int(between[-1]) + 1
    if last - first < MIN_BETWEEN_BARS * len(black):
        return None
    # Resizing blurs the rim of a bar into the next row.
    return first + (first > 0), last - (last < len(black))


def _static(frames: np.ndarray) -> np.ndarray:
    """Pixels of static overlays and around them: bool (H, W)."""
    nothing = np.zeros(frames.shape[1:], bool)
    if len(frames) < MIN_FRAMES or not nothing.size:
        return nothing
    edges = np.stack([_edges(frame) for frame in frames])  # (K, H, W)
    steady = frames.max(axis=0) - frames.min(axis=0) <= STATIC_NOISE
    static = edges.all(axis=0) & steady
    scene = (edges.sum(axis=0) >= len(frames) - 1) & ~steady
    edge_pixels_per_frame = edges.sum(axis=(1, 2)).mean()
    if scene.sum() > MAX_SCENE * edge_pixels_per_frame or static.sum() > MAX_STATIC * edge_pixels_per_frame:
        return nothing
    # A single pixel may stay the same by chance; a letter has several pixels that touch.
    static = cv2.morphologyEx(static.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(static, connectivity=8)
    large = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] >= 8)
    kept = np.isin(labels, large[large > 0]).astype(np.uint8)
    return cv2.dilate(kept, np.ones((2 * GROW + 1, 2 * GROW + 1), np.uint8)).astype(bool)


def _edges(frame: np.ndarray) -> np.ndarray:
    """Pixels whose 3 x 3 neighbourhoods span the most grey levels, and at least `MIN_EDGE_CONTRAST`: bool (H, W)."""
    span = cv2.morphologyEx(frame, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    return span >= max(MIN_EDGE_CONTRAST, np.percentile(span[::2, ::2], 100 - MAX_EDGE_PERCENT))


def _neighbourhoods(frame: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The 9 x 9 pixels around each point, float32 (N, 81); outside the frame its border is repeated."""
    height, width = frame.shape
    steps = np.arange(-NEIGHBOURHOOD_RADIUS, NEIGHBOURHOOD_RADIUS + 1)
    x = np.clip(np.rint(points[:, 0]).astype(int)[:, None] + steps, 0, width - 1)  # (N, 9)
    y = np.clip(np.rint(points[:, 1]).astype(int)[:, None] + steps, 0, height - 1)
    return frame[y[:, :, None], x[:, None, :]].reshape(len(points), -1).astype(np.float32)
