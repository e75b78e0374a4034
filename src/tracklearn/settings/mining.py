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

    # 8M patches of 100K videos, a third of which are gone, are 60 pairs a video. benchmarks/yields.py counts the pairs
    # of web clips: 61 pairs in 5,418 frames with one candidate in 30.
    every: Count = setting(
        30,
        "Distance between two candidate frames",
        unit="frames",
        assume="the paper does not say. Web clips give a pair for each 89 frames, so a video of 4 minutes (6,322 "
        "frames) gives 71 pairs (95% interval 43 to 99), and 100K videos, a third of which are gone, give 4.7M. With "
        "35 they would give 4M; 30 leaves a reserve of 18%, for clips are chosen for their motion and videos are not",
    )
    surf: Literal["fast-hessian", "mahotas", "opencv"] = setting(
        "fast-hessian",
        "Implementation of SURF's detector: `fast-hessian` is part of this project; `opencv` needs a build of OpenCV "
        "with SURF, and PyPI's build has no SURF. The tables record which implementation was used",
    )
    surf_threshold: Positive = setting(
        5,
        "A SURF point is a maximum of the Hessian's determinant above this value",
        unit="squared grey levels",
        assume="with a threshold of 5, the verdicts agree best with the verdicts of the dense flow",
    )
    max_points: Count = setting(
        1024,
        "Largest number of SURF points of one frame; the strongest points are kept",
        assume="most frames have fewer points at the default `surf_threshold`",
    )
    min_points: int = setting(
        50,
        "A frame is rejected if fewer SURF points than this number lie outside overlays and are found again in the "
        "next frame",
        ge=4,
        assume="a share of fewer than 50 points says little; improved dense trajectories demand 50 points too",
    )
    flow: Literal["hybrid", "lucas-kanade", "farneback"] = setting(
        "hybrid",
        "Optical flow: `lucas-kanade` is sparse and computed only at the SURF points; `farneback` is the dense flow of "
        "the improved dense trajectories, with their second pass, and takes 20 times as long; `hybrid` computes the "
        "sparse flow, and the dense flow where the verdict is uncertain. The tables record which flow decided",
    )
    margin: Share = setting(
        0.05,
        "Only for `flow: hybrid`: the dense flow decides about a frame if the sparse flow's share of moving points "
        "lies within this distance of `noise` or `camera`, or if fewer than half of the points follow the camera",
        unit="share",
        assume="on 990 frames of 56 web clips, 98.4% of the verdicts are those of `farneback`, and the dense flow "
        "decides about 26% of the frames; 93.5% of the verdicts of `lucas-kanade` are those of `farneback`",
    )
    moving_px: Positive = setting(
        0.5,
        "A point moves if its flow without the camera's motion is longer than this value",
        unit="pixels a frame",
        paper="§4",
    )
    noise: Share = setting(
        0.25,
        "A frame is rejected as noise if the share of its points that move is below this value",
        unit="share",
        paper="§4",
    )
    camera: Share = setting(
        0.75,
        "A frame is rejected as camera motion if the share of its points that move is above this value",
        unit="share",
        paper="§4",
    )
    box: Count = setting(227, "Side of the query box", unit="pixels", paper="§4")
    overlays: bool = setting(
        True,
        "`true` leaves out points on logos and subtitles, and keeps the query box and the tracked box off black bars; "
        "`false` counts all points and ignores bars. Overlays are found by comparing up to seven key frames. In a "
        "short clip with a single key frame, a dark rim counts as a bar. A container without usable times has no key "
        "frames, and the comparison finds nothing in it",
        assume="the paper does not say",
    )
    max_pairs_per_video: Count = setting(
        200,
        "Largest number of accepted frames, and so of pairs, of one video; if more frames are accepted, this many of "
        "them are kept, spread evenly over the video",
        unit="frames",
        assume="no long video dominates. With the default `every`, a video of 4 minutes has 211 candidates, and the "
        "limit takes 1% of the accepted frames of such videos; a limit of 100 would take 28%",
    )

    @model_validator(mode="after")
    def _noise_below_camera(self) -> Self:
        if self.noise >= self.camera:
            raise ValueError(f"noise is {self.noise}, camera {self.camera}; expected noise < camera")
        return self


class Tracking(Settings):
    """How a query box is tracked."""

    where: ClassVar[str] = "mining.track"

    frames: Count = setting(30, "Number of frames from the query patch to the tracked patch", unit="frames", paper="§4")
    tracker: Literal["hog", "opencv"] = setting(
        "hog",
        "`hog` is this project's KCF, with HOG features of luma and a linear kernel; `opencv` is OpenCV's KCF with "
        "colour names, which is slower and less exact",
        paper="§4",
    )
    side: int = setting(
        64,
        "Side of the box in the frames that the tracker sees. Frames are shrunk until the box has this side; they are "
        "never enlarged",
        unit="pixels",
        ge=16,
        assume="with a side of 64, tracks end where they end at full scale",
    )
    padding: NotNegative = setting(
        1.5,
        "Only for `tracker: hog`: width of the surroundings of the box that the tracker sees, which limits how far a "
        "box can jump. Choose a smaller value where the background is as rich in texture as the objects. The default "
        "is KCF's",
        unit="sides of the box",
    )
    rate: Share = setting(
        0.02,
        "Only for `tracker: hog`: share of each new frame in the tracker's model of the box. Choose a larger value "
        "where objects turn. The default is KCF's",
        unit="share a frame",
    )
    peak: Share = setting(
        0.3,
        "A track is lost if the peak of the filter's response falls below this value. With `tracker: hog` a track is "
        "also lost if the peak falls by more than two fifths from one frame to the next. With `tracker: opencv` the "
        "value is OpenCV's `detect_thresh`, whose default in OpenCV is 0.5",
        assume="benchmarks/tracking.py counts the cuts that each value finds",
    )
    visible: Share = setting(
        0.75,
        "A track is lost if the share of its last box inside the frame and between the black bars is below this value. "
        "Another box that sticks out is shifted inside",
        unit="share",
        assume="the paper does not say",
    )


class Mining(Settings):
    """From videos to query boxes and tracked boxes."""

    where: ClassVar[str] = "mining"

    frame: Frame = setting(Frame(), "Size of the resized frames")
    resample_fps: Positive | None = setting(
        None,
        "Rate at which frames are counted. `null` counts every frame of the file, whatever the video's rate. With a "
        "number, only the frames nearest in time to this rate count, for `filter.every`, `filter.moving_px` and "
        "`track.frames` too; a video with a lower rate keeps all its frames. The tables hold frame numbers of the file "
        "in both cases",
        unit="frames a second",
        assume="the paper counts frames, not seconds",
    )
    timeout: Positive = setting(
        3600,
        "Time that one video may take in each of filtering, tracking and packing. The results up to this time are kept",
        unit="seconds",
    )
    filter: Filtering = setting(Filtering(), "Which frames are accepted")
    track: Tracking = setting(Tracking(), "How a query box is tracked")
