"""The journey of one query box through the frames of a video, to the tracked box or to where it is lost."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from tracklearn.mining.overlays import Rectangle
from tracklearn.mining.tracking.correlation_filter import CorrelationFilter
from tracklearn.mining.tracking.opencv_kcf import OpenCVFilter
from tracklearn.settings.mining import Tracking


class BoxFilter(Protocol):
    """What follows a box from frame to frame, see `CorrelationFilter`."""

    @property
    def centre(self) -> tuple[float, float]: ...

    @property
    def score(self) -> float: ...

    def update(self, frame: np.ndarray) -> bool: ...


class Track:
    """One query box on its way: it starts with the list of its frames, advances frame by frame, and finishes as a row.

    Args:
        corner: left and top of the query box in the resized frame, pixels.
        box: side of the box in the resized frame, pixels.
        tracking: the settings.
        between_bars: area of the resized frame in which the tracked box must lie; None is the whole frame.

    Attributes:
        frame_indices: indices of the frames that the track passes, the query's first; empty before the start, and where
            the video has too few frames.
        reason: why the track ended, "" for a tracked box; None until it ends.
    """

    def __init__(
        self, corner: tuple[int, int], box: int, tracking: Tracking, *, between_bars: Rectangle | None = None
    ) -> None:
        self.frame_indices: Sequence[int] = ()
        self.reason: str | None = None
        self._corner, self._box, self._tracking, self._between_bars = corner, box, tracking, between_bars
        self._needed: frozenset[int] = frozenset()
        self._frame_size = (0, 0)
        self._passed = 0  # number of frames
        self._filter: BoxFilter | None = None
        self._end: dict[str, Any] = {}

    def start(self, frame_indices: Sequence[int], frame_size: tuple[int, int]) -> None:
        """Set the track's frames; it ends at once where the video has too few.

        Args:
            frame_indices: ascending indices of the query's frame and of the following frames of the video's timeline.
            frame_size: (height, width) of the resized frame.
        """
        count = self._tracking.frames + 1
        if len(frame_indices) < count:
            self._ended("video ended")
        else:
            self.frame_indices, self._frame_size = frame_indices[:count], frame_size
            self._needed = frozenset(self.frame_indices)  # asked for every frame of the video

    def needs(self, index: int) -> bool:
        """Whether the track has not ended and passes the frame with this index."""
        return self.reason is None and index in self._needed

    def advance(self, index: int, image: np.ndarray) -> None:
        """Follow the box into the next frame that was read of the video; frames before the query's are ignored.

        Args:
            index: index of the frame.
            image: the frame as the tracker sees it, at any scale: luma (h, w), or RGB (h, w, 3) for OpenCV's tracker.
        """
        if self.reason is not None or not self.frame_indices or index < self.frame_indices[self._passed]:
            return
        if index > self.frame_indices[self._passed]:  # a frame of the track could not be decoded
            if self._filter is not None:
                self._ended("video ended")
            return
        self._passed += 1
        height, width = image.shape[:2]
        scales = (width / self._frame_size[1], height / self._frame_size[0])
        if self._filter is None:
            self._filter = self._learnt(image, scales)
            return
        found = self._filter.update(image)
        x, y = self._filter.centre
        if not found:
            self._ended("lost", last_frame=index)
        elif not (0 <= x < width and 0 <= y < height):
            self._ended("left the frame", last_frame=index)
        elif self._passed == len(self.frame_indices):
            corner = (round(x / scales[0] - self._box / 2), round(y / scales[1] - self._box / 2))
            self._arrived(index, corner, self._filter.score)

    def finish(self, otherwise: str = "video ended") -> dict[str, Any]:
        """The track's values in the table of tracks, see `kcf.track_shard`.

        Args:
            otherwise: reason for a track that has not ended, since no further frame can be read.
        """
        x, y = self._corner
        status = "tracked" if self.reason == "" else "lost"
        reason = otherwise if self.reason is None else self.reason
        return {"x": x, "y": y, "w": self._box, "h": self._box, "status": status, "reason": reason, **self._end}

    def _learnt(self, image: np.ndarray, scales: tuple[float, float]) -> BoxFilter:
        """A filter that has learnt the query box, from an image at `scales` (x, y) of the resized frame."""
        x, y = ((at + self._box / 2) * scale for at, scale in zip(self._corner, scales, strict=True))
        side, settings = self._box * scales[0], self._tracking
        if settings.tracker == "opencv":
            return OpenCVFilter(image, (x, y), side, least_peak=settings.peak)
        return CorrelationFilter(
            image, (x, y), side, least_peak=settings.peak, padding=settings.padding, rate=settings.rate
        )

    def _arrived(self, index: int, corner: tuple[int, int], score: float) -> None:
        """End at the last frame, with the box at `corner` there."""
        height, width = self._frame_size
        inside = shifted_inside(corner, self._box, self._between_bars or (0, 0, width, height), self._tracking.visible)
        if inside is None:
            self._ended("left the frame", last_frame=index)
        else:
            tracked = {"tracked_x": inside[0], "tracked_y": inside[1], "tracked_w": self._box, "tracked_h": self._box}
            self._ended("", last_frame=index, **tracked, score=f"{score:.4f}")

    def _ended(self, reason: str, **values: Any) -> None:
        self.reason, self._end = reason, values
        self._filter = None  # its memory is needed for the tracks that follow


def shifted_inside(corner: tuple[int, int], box: int, area: Rectangle, least_visible: float) -> tuple[int, int] | None:
    """Left and top of a box shifted inside an area, or None where less than a share of the box lies inside.

    Args:
        corner: left and top of the box.
        box: side of the box.
        area: the area, at least as large as the box.
        least_visible: the least share of the box that lies inside.
    """
    spans = tuple(zip(corner, area[:2], area[2:], strict=True))
    width, height = (max(0, min(at + box, end) - max(at, start)) for at, start, end in spans)
    if width * height < least_visible * box * box:
        return None
    x, y = (min(max(at, start), end - box) for at, start, end in spans)
    return x, y
