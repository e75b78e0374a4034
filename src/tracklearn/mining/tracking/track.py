"""The journey of one query box through the frames of a video, to the tracked box or to where it is lost."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from tracklearn.mining.overlays import Rectangle
from tracklearn.mining.tracking.correlation_filter import CorrelationFilter
from tracklearn.mining.tracking.opencv_kcf import OpenCVFilter
from tracklearn.settings.mining import Tracking


class BoxFilter(Protocol):
    """A filter that has learnt a box in one frame and finds it in each later frame, see `CorrelationFilter`."""

    @property
    def centre(self) -> tuple[float, float]: ...

    @property
    def score(self) -> float: ...

    def update(self, frame: np.ndarray) -> bool: ...


class Track:
    """One query box on its way: it starts with the list of its frames, advances frame by frame, and finishes as a row.

    Args:
        corner: left and top of the query box in the resized frame, pixels.
        side: side of the box in the resized frame, pixels.
        tracking: the settings.
        between_bars: area of the resized frame in which the tracked box must lie; None is the whole frame.

    Attributes:
        frame_indices: indices of the frames that the track passes, the query's first; empty before the start, and where
            the video has too few frames.
        reason: why the track ended, "" for a tracked box; None until it ends.
    """

    def __init__(
        self, corner: tuple[int, int], side: int, tracking: Tracking, *, between_bars: Rectangle | None = None
    ) -> None:
        self.frame_indices: Sequence[int] = ()
        self.reason: str | None = None
        self._corner, self._side, self._tracking, self._between_bars = corner, side, tracking, between_bars
        self._needed: frozenset[int] = frozenset()
        self._frame_size = (0, 0)
        self._passed = 0  # how many of its frames the track has passed
        self._filter: BoxFilter | None = None
        self._last_values: dict[str, Any] = {}  # of the row, known when the track ends

    def start(self, frame_indices: Sequence[int], frame_size: tuple[int, int]) -> None:
        """Set the track's frames; it ends at once where the video has too few.

        Args:
            frame_indices: ascending indices of the query's frame and of the following frames of the video's timeline.
            frame_size: (height, width) of the resized frame.
        """
        count = self._tracking.frames + 1
        if len(frame_indices) < count:
            self._stop("video ended")
        else:
            self.frame_indices, self._frame_size = frame_indices[:count], frame_size
            # A set, because `needs` is called for every frame of the video.
            self._needed = frozenset(self.frame_indices)

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
                self._stop("video ended")
            return
        self._passed += 1
        height, width = image.shape[:2]
        # Pixels of the image for each pixel of the resized frame, (x, y).
        scales = (width / self._frame_size[1], height / self._frame_size[0])
        if self._filter is None:
            self._filter = self._new_filter(image, scales)
            return
        found = self._filter.update(image)
        x, y = self._filter.centre
        if not found:
            self._stop("lost", last_frame=index)
        elif not (0 <= x < width and 0 <= y < height):
            self._stop("left the frame", last_frame=index)
        elif self._passed == len(self.frame_indices):
            corner = (round(x / scales[0] - self._side / 2), round(y / scales[1] - self._side / 2))
            self._stop_at_last_frame(index, corner, self._filter.score)

    def finish(self, unended_reason: str = "video ended") -> dict[str, Any]:
        """The track's values in the table of tracks, see `kcf.track_shard`.

        Args:
            unended_reason: the reason of a track that has not ended although no further frame can be read.
        """
        x, y = self._corner
        status = "tracked" if self.reason == "" else "lost"
        reason = unended_reason if self.reason is None else self.reason
        box = {"x": x, "y": y, "w": self._side, "h": self._side}
        return {**box, "status": status, "reason": reason, **self._last_values}

    def _new_filter(self, image: np.ndarray, scales: tuple[float, float]) -> BoxFilter:
        """A filter that has learnt the query box in an image, which is `scales` (x, y) times the resized frame."""
        x, y = ((corner + self._side / 2) * scale for corner, scale in zip(self._corner, scales, strict=True))
        side, settings = self._side * scales[0], self._tracking
        if settings.tracker == "opencv":
            return OpenCVFilter(image, (x, y), side, least_peak=settings.peak)
        return CorrelationFilter(
            image, (x, y), side, least_peak=settings.peak, padding=settings.padding, rate=settings.rate
        )

    def _stop_at_last_frame(self, index: int, corner: tuple[int, int], score: float) -> None:
        """End at the last frame, in which the box lies at `corner`: tracked, or lost if too little of it is visible."""
        height, width = self._frame_size
        area = self._between_bars or (0, 0, width, height)
        shifted_corner = shifted_inside(corner, self._side, area, self._tracking.visible)
        if shifted_corner is None:
            self._stop("left the frame", last_frame=index)
        else:
            x, y = shifted_corner
            tracked_box = {"tracked_x": x, "tracked_y": y, "tracked_w": self._side, "tracked_h": self._side}
            self._stop("", last_frame=index, **tracked_box, score=f"{score:.4f}")

    def _stop(self, reason: str, **last_values: Any) -> None:
        """End for a reason, "" for a tracked box, with the last values of the row."""
        self.reason, self._last_values = reason, last_values
        self._filter = None  # later tracks need its memory


def shifted_inside(corner: tuple[int, int], side: int, area: Rectangle, least_visible: float) -> tuple[int, int] | None:
    """Left and top of a box shifted inside an area; None if less than `least_visible` of the box's area lies inside.

    Args:
        corner: left and top of the box.
        side: side of the box.
        area: the area, at least as large as the box.
        least_visible: the least share of the box's area that must lie inside.
    """
    spans = tuple(zip(corner, area[:2], area[2:], strict=True))
    width, height = (max(0, min(coordinate + side, end) - max(coordinate, start)) for coordinate, start, end in spans)
    if width * height < least_visible * side * side:
        return None
    x, y = (min(max(coordinate, start), end - side) for coordinate, start, end in spans)
    return x, y
