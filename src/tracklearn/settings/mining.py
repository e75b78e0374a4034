"""Settings of the block `mining`: from videos to pairs of patches."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from tracklearn.settings.base import Count, NotNegative, Positive, Settings, Share, setting


class Frame(Settings):
    """Size to which every frame is resized; portrait videos have height and width exchanged."""

    where: ClassVar[str] = "mining.frame"

    height: Count = setting(448, "Height of a resized frame", unit="pixels", paper="§4")
    width: Count = setting(600, "Width of a resized frame", unit="pixels", paper="§4")


class Filtering(Settings):
    """Which frames are accepted, and where their query box lies."""

    where: ClassVar[str] = "mining.filter"

    every: Count = setting(30, "Distance between two candidate frames", unit="frames", assume="the paper does not say")
    surf: Literal["fast-hessian", "mahotas", "opencv"] = setting(
        "fast-hessian",
        "Implementation of SURF's detector: `fast-hessian` is part of this project, `opencv` needs a build with SURF "
        "(PyPI's has none). The tables record which one was used",
    )
    surf_threshold: Positive = setting(
        5,
        "Threshold of the determinant of SURF points, as a multiple of its mean",
        assume="at 5 the verdicts agree best with those of the dense flow",
    )
    max_points: Count = setting(
        1024, "SURF points kept of a frame, the strongest first", assume="most frames have fewer at this threshold"
    )
    min_points: int = setting(
        50,
        "A frame is rejected if fewer SURF points lie outside overlays and are found again in the next frame",
        ge=4,
        assume="a share of fewer points says little; improved dense trajectories ask for as many",
    )
    flow: Literal["lucas-kanade", "farneback"] = setting(
        "lucas-kanade",
        "Optical flow: `lucas-kanade` is sparse, computed at the points; `farneback` is the dense flow of the improved "
        "dense trajectories, with their second pass",
    )
    moving_px: Positive = setting(
        0.5,
        "A point moves if its flow without the camera's motion is longer",
        unit="pixels a frame",
        paper="§4",
    )
    noise: Share = setting(
        0.25, "A frame is rejected as noise if a smaller share of its points moves", unit="share", paper="§4"
    )
    camera: Share = setting(
        0.75, "A frame is rejected as camera motion if a larger share of its points moves", unit="share", paper="§4"
    )
    box: Count = setting(227, "Side of the query box", unit="pixels", paper="§4")
    overlays: bool = setting(
        True,
        "`true` leaves out points on logos and subtitles, and keeps the query box and the tracked box off black bars; "
        "`false` counts all points and ignores bars. Overlays are found by comparing up to seven key frames: in a "
        "short clip with a single key frame a dark rim counts as a bar, and a container without usable times has no "
        "key frames, so nothing is found in it",
        assume="the paper does not say",
    )
    max_pairs_per_video: Count = setting(
        100,
        "Largest number of accepted frames of one video; of more, those spread evenly over the video are kept",
        unit="frames",
        assume="2.5 times the paper's mean of 40 (§4), so that no video dominates",
    )

    @model_validator(mode="after")
    def _noise_below_camera(self) -> Self:
        if self.noise >= self.camera:
            raise ValueError(f"noise is {self.noise}, camera {self.camera}; expected noise < camera")
        return self


class Tracking(Settings):
    """How a query box is tracked."""

    where: ClassVar[str] = "mining.track"

    frames: Count = setting(30, "Distance of the tracked patch from the query patch", unit="frames", paper="§4")
    tracker: Literal["hog", "opencv"] = setting(
        "hog",
        "`hog` is this project's KCF, with HOG features of luma and a linear kernel; `opencv` is OpenCV's KCF with "
        "colour names, which is slower and less exact",
        paper="§4",
    )
    side: int = setting(
        64,
        "Side of the box in the frames that the tracker sees. Frames are shrunk to give the box this side, and never "
        "enlarged",
        unit="pixels",
        ge=16,
        assume="at 64 tracks end where they end at full scale",
    )
    padding: NotNegative = setting(
        1.5,
        "Width of the surroundings that the tracker sees, which limits how far a box can jump. Take less where the "
        "background is as rich in texture as the objects (`hog` only). The default is KCF's",
        unit="sides of the box",
    )
    rate: Share = setting(
        0.02,
        "Share of each new frame in the tracker's model of the box. Take more where objects turn (`hog` only). The "
        "default is KCF's",
        unit="share a frame",
    )
    peak: Share = setting(
        0.3,
        "Least response of the tracker's filter: the track is lost below it, and wherever the response falls by more "
        "than two fifths from one frame to the next. For `opencv` it is OpenCV's `detect_thresh`, by default 0.5 there",
        assume="benchmarks/tracking.py counts the cuts that each value finds",
    )
    visible: Share = setting(
        0.75,
        "Least share of the last box that lies inside the frame and between its black bars; a box that sticks out less "
        "is shifted inside",
        unit="share",
        assume="the paper does not say",
    )


class Mining(Settings):
    """From videos to query boxes and tracked boxes."""

    where: ClassVar[str] = "mining"

    frame: Frame = setting(Frame(), "Size of the resized frames")
    resample_fps: Positive | None = setting(
        None,
        "Rate at which frames are counted. `null` counts every frame of the file, whatever the video's rate. A number "
        "takes the frames nearest in time to that rate, and `every`, `moving_px` and `track.frames` count those; "
        "videos with a lower rate keep their frames. The tables hold frame numbers of the file in both cases",
        unit="frames a second",
        assume="the paper counts frames, not seconds",
    )
    timeout: Positive = setting(
        3600,
        "Time that one video may take in each of filtering, tracking and packing. What was done until then is kept",
        unit="seconds",
    )
    filter: Filtering = setting(Filtering(), "Which frames are accepted")
    track: Tracking = setting(Tracking(), "How a query box is tracked")
