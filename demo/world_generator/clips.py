"""Clips: a thing moves, turns, swells and ripples before a panning camera; some clips are still, empty or broken."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from world_generator import backgrounds
from world_generator.backgrounds import CANVAS_SIZE, HABITATS, habitats
from world_generator.grants import ALL, Grants
from world_generator.things import (
    ALL_NAMES,
    NAMES,
    RADIUS,
    STRANGERS,
    Image,
    Pose,
    Thing,
    band_hue,
    draw_thing,
    own_hue,
    paint,
)

FPS = 25
LEAST_SPEED = 1.8  # px a frame against the background, so that most of the background in a box changes in 30 frames
# Of every 40 clips, 36 show a moving thing. Mining, or the probe of the files, must reject the other clips.
KINDS = ("moving",) * 36 + ("still", "camera", "camera", "broken")
BREAKS = ("truncated", "empty", "text")
SMALL = (0.4, 0.7)  # smallest and largest scale of a thing in a world without large things
AT_HOME = 0.5  # share of the clips whose background goes with their category, in a world without equal backgrounds
CANVASES = 12
TRUTH = ("clip", "kind", "category", "habitat", "at_home", "hue", "smallest", "largest")  # columns of clips.csv


@dataclass(frozen=True)
class ClipSettings:
    """Size of a frame in px, number of frames, and how much a thing, the camera and the light move or change."""

    height: int = 224
    width: int = 300
    frames: int = 76
    largest_turn: float = 70.0  # degrees within 30 frames
    scales: tuple[float, float] = (0.75, 1.3)  # smallest and largest
    pan_speeds: tuple[float, float] = (2.0, 3.2)  # px a frame
    hue_periods: tuple[float, float] = (100.0, 200.0)  # frames
    light_periods: tuple[float, float] = (45.0, 75.0)  # frames
    brightness_change: float = 0.15  # largest, as a share
    noise_std: float = 2.0  # grey levels


@dataclass(frozen=True)
class Canvases:
    """What all clips of a world share: canvases that the camera pans over, and frames of sensor noise (int16)."""

    backgrounds: list[Image]
    noise_frames: list[np.ndarray]


@dataclass(frozen=True)
class Clip:
    """What a clip shows.

    `kind` is one of KINDS or of BREAKS. `thing` is None where only the camera moves. `background` is the index of the
    canvas, and `at_home` says that the canvas was chosen among those of the category's habitat. For each frame there
    are `corners` (N, 2), the upper left corner on the canvas in px, the thing's pose, if there is a thing, and `gains`
    (N, 3) of the light.
    """

    kind: str
    thing: Thing | None
    background: int
    at_home: bool
    corners: np.ndarray
    poses: list[Pose]
    gains: np.ndarray


def draw_canvases(*, seed: int, settings: ClipSettings, grants: Grants = ALL, count: int = CANVASES) -> Canvases:
    """Draw what the clips of a world share; every process draws the same."""
    rng = np.random.default_rng([seed, 1])
    shape = (settings.height, settings.width, 3)
    noise_frames = [rng.normal(0, settings.noise_std, shape).round().astype(np.int16) for _ in range(7)]
    return Canvases(backgrounds.draw_canvases(rng, grants, count=count), noise_frames)


def clip_name(index: int) -> str:
    """Id of a clip, which is also a valid file name."""
    return f"clip{index:04d}"


def clip_kind(index: int) -> str:
    """One of KINDS, but for "broken" one of BREAKS."""
    kind = KINDS[(index * 7) % len(KINDS)]  # the factor 7 spreads the unusual kinds over the list
    return BREAKS[(index // len(KINDS)) % len(BREAKS)] if kind == "broken" else kind


def draw_clip(index: int, *, seed: int, settings: ClipSettings, grants: Grants = ALL, canvases: int = CANVASES) -> Clip:
    """Draw what clip `index` shows before one of `canvases` canvases."""
    rng = np.random.default_rng([seed, 2, index])
    kind = clip_kind(index)
    shown = range(len(NAMES)) if grants.known_categories else range(len(NAMES), len(ALL_NAMES))
    category = index if grants.even_categories else int(rng.integers(len(shown)))
    thing = None if kind == "camera" else draw_thing(rng, shown[category % len(shown)])
    at_home = thing is not None and not grants.equal_backgrounds and rng.random() < AT_HOME
    choices = [i for i in range(canvases) if not at_home or i % len(HABITATS) == category % len(HABITATS)]
    background = choices[rng.integers(len(choices))]
    count = 1 if kind == "still" else settings.frames
    pan = _vector(rng.uniform(*settings.pan_speeds), rng.uniform(0, 2 * np.pi))
    corners = _frame_corners(rng, pan, settings, count)
    poses = [] if thing is None else _poses(rng, pan, settings, count, grants)
    return Clip(kind, thing, background, at_home, corners, poses, _light_gains(rng, settings, count))


def write_clip(
    path: Path, index: int, *, seed: int, canvases: Canvases, settings: ClipSettings, grants: Grants = ALL
) -> str:
    """Write clip `index` as mp4 (H.264) and return its kind."""
    kind = clip_kind(index)
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("<html><body>This video is no longer available.</body></html>\n")
    else:
        count = len(canvases.backgrounds)
        clip = draw_clip(index, seed=seed, settings=settings, grants=grants, canvases=count)
        encode(path, render_clip(clip, canvases=canvases, settings=settings))
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return kind


def render_clip(clip: Clip, *, canvases: Canvases, settings: ClipSettings) -> list[Image]:
    """Draw the frames of one clip, RGB (H, W, 3)."""
    images = []
    for number, corner in enumerate(clip.corners):
        shift = np.hstack([np.eye(2), -corner[:, None]])
        image = cv2.warpAffine(canvases.backgrounds[clip.background], shift, (settings.width, settings.height))
        if clip.thing is not None:
            paint(image, clip.thing, clip.poses[number])
        images.append(cv2.transform(image, np.diag(clip.gains[number])))
    if clip.kind == "still":
        images = images * settings.frames
    noise_frames = itertools.cycle(canvases.noise_frames)
    return [cv2.add(image, noise, dtype=cv2.CV_8U) for image, noise in zip(images, noise_frames, strict=False)]


def clip_truth(index: int, *, seed: int, settings: ClipSettings, grants: Grants) -> dict[str, Any]:
    """What clip `index` shows, as a row of `clips.csv`.

    - `category`: name of the thing's category; empty without a thing;
    - `habitat`: the category whose kind of background the clip has; `at_home`: 1 if it was chosen as its own;
    - `hue`: the thing's hue in the first frame, on OpenCV's circle of 180;
    - `smallest`, `largest`: diameter of the circle around the thing's outline in px, over the frames.
    """
    row: dict[str, Any] = {"clip": clip_name(index), "kind": clip_kind(index)}
    if row["kind"] in ("empty", "text"):
        return row
    clip = draw_clip(index, seed=seed, settings=settings, grants=grants, canvases=len(habitats(grants, count=CANVASES)))
    if not grants.equal_backgrounds:
        names = NAMES if grants.known_categories else tuple(STRANGERS)
        row |= {"habitat": names[clip.background % len(HABITATS)], "at_home": int(clip.at_home)}
    if clip.thing is not None:
        diameters = [2 * clip.thing.radii.max() * pose.scale for pose in clip.poses]
        row |= {"category": ALL_NAMES[clip.thing.category], "hue": round(clip.poses[0].hue, 1)}
        row |= {"smallest": round(min(diameters)), "largest": round(max(diameters))}
    return row


def encode(path: Path, frames: list[Image]) -> None:
    """Write RGB frames as H.264 in mp4; the settings of the encoder are fast and make large files."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        stream.codec_context.thread_count = 1
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def _vector(length: float, angle: float) -> np.ndarray:
    return length * np.array([np.cos(angle), np.sin(angle)])


def _frame_corners(rng: np.random.Generator, pan: np.ndarray, settings: ClipSettings, count: int) -> np.ndarray:
    """Upper left corner of each frame on the canvas (count, 2); all frames lie on the canvas."""
    corners = pan * np.arange(count)[:, None]  # (count, 2)
    room = np.array([CANVAS_SIZE[1] - settings.width, CANVAS_SIZE[0] - settings.height])
    corners -= corners.min(0)
    slack = np.maximum(room - corners.max(0), 0)
    return corners + rng.uniform(0, 1, 2) * slack


def _poses(rng: np.random.Generator, pan: np.ndarray, settings: ClipSettings, count: int, grants: Grants) -> list[Pose]:
    """Poses along a straight line through the frame; the thing moves against the background in every frame."""
    smallest, largest = settings.scales if grants.large_things else SMALL
    centres = _centres(rng, pan, settings, count, margin=RADIUS * largest * 1.1)
    frame_indices = np.arange(count)
    turn = rng.uniform(0.3, 1.0) * rng.choice([-1, 1]) * np.radians(settings.largest_turn) / 30
    angles = rng.uniform(0, 2 * np.pi) + turn * frame_indices
    low, high = np.log(smallest), np.log(largest)
    swing = np.sin(rng.uniform(0, 2 * np.pi) + 2 * np.pi * frame_indices / rng.uniform(60, 110))
    scales = np.exp((low + high) / 2 + (high - low) / 2 * swing)
    leans = 0.2 * np.sin(rng.uniform(0, 2 * np.pi) + 2 * np.pi * frame_indices / rng.uniform(50, 90))
    ripples = rng.uniform(0, 2 * np.pi) + rng.uniform(0.05, 0.15) * frame_indices
    phase, swing = rng.uniform(0, 2 * np.pi), 2 * np.pi * frame_indices / rng.uniform(*settings.hue_periods)
    hues = band_hue(phase + swing) if grants.equal_hues else own_hue(phase, swing)
    return [Pose(*values) for values in zip(*centres.T, angles, scales, leans, ripples, hues, strict=True)]


def _centres(
    rng: np.random.Generator, pan: np.ndarray, settings: ClipSettings, count: int, *, margin: float
) -> np.ndarray:
    """Centres (count, 2) on a straight line, at LEAST_SPEED or more against the background.

    All are `margin` px or more from the frame's border.
    """
    low = np.array([margin, margin])
    high = np.array([settings.width, settings.height]) - low
    while True:
        start, end = rng.uniform(low, high), rng.uniform(low, high)
        speed = (end - start) / max(count, 2)
        if np.hypot(*(speed + pan)) >= LEAST_SPEED:
            return start + speed * np.arange(count)[:, None]


def _light_gains(rng: np.random.Generator, settings: ClipSettings, count: int) -> np.ndarray:
    """Gain of each channel (count, 3): the brightness and the colour of the light swing slowly.

    A swing takes about twice as long as tracking, so that the light of a query does not predict the light of the
    tracked patch.
    """
    frame_indices = np.arange(count)[:, None]
    brightness, colour = (
        np.sin(rng.uniform(0, 2 * np.pi, size) + 2 * np.pi * frame_indices / rng.uniform(*settings.light_periods, size))
        for size in (1, 3)
    )  # (count, 1), (count, 3)
    return 1 + settings.brightness_change * brightness + settings.brightness_change / 3 * colour
