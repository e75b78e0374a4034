"""Clips: a thing moves, turns, swells and ripples before a panning camera; some clips are still, empty or broken."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from world_generator.backgrounds import draw_canvas
from world_generator.things import NAMES, RADIUS, Image, Pose, Thing, band_hue, draw_thing, paint

FPS = 25
LEAST_SPEED = 1.8  # px a frame against the background, so that most of the background in a box changes in 30 frames
# Of every 40 clips, 36 show a moving thing. Mining, or the probe of the files, must reject the other clips.
KINDS = ("moving",) * 36 + ("still", "camera", "camera", "broken")
BREAKS = ("truncated", "empty", "text")


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


def draw_canvases(seed: int, settings: ClipSettings, *, count: int = 12) -> Canvases:
    """Draw what the clips of a world share; every process draws the same."""
    rng = np.random.default_rng([seed, 1])
    shape = (settings.height, settings.width, 3)
    noise_frames = [rng.normal(0, settings.noise_std, shape).round().astype(np.int16) for _ in range(7)]
    return Canvases([draw_canvas(rng) for _ in range(count)], noise_frames)


def clip_name(index: int) -> str:
    """Id of a clip, which is also a valid file name."""
    return f"clip{index:04d}"


def write_clip(path: Path, index: int, *, seed: int, canvases: Canvases, settings: ClipSettings) -> str:
    """Write clip `index` as mp4 (H.264) and return its kind."""
    rng = np.random.default_rng([seed, 2, index])
    kind = KINDS[(index * 7) % len(KINDS)]  # the factor 7 spreads the unusual kinds over the list
    if kind == "broken":
        kind = BREAKS[(index // len(KINDS)) % len(BREAKS)]
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("<html><body>This video is no longer available.</body></html>\n")
    else:
        thing = None if kind == "camera" else draw_thing(rng, index % len(NAMES))
        frames = render_clip(rng, thing, still=kind == "still", canvases=canvases, settings=settings)
        encode(path, frames)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return kind


def render_clip(
    rng: np.random.Generator, thing: Thing | None, *, still: bool, canvases: Canvases, settings: ClipSettings
) -> list[Image]:
    """Draw the frames of one clip, RGB (H, W, 3); without a thing, only the camera moves."""
    count = 1 if still else settings.frames
    background = canvases.backgrounds[rng.integers(len(canvases.backgrounds))]
    pan = _vector(rng.uniform(*settings.pan_speeds), rng.uniform(0, 2 * np.pi))
    corners = _frame_corners(rng, pan, background.shape, settings, count)  # (count, 2)
    poses = [] if thing is None else _poses(rng, pan, settings, count)
    gains = _light_gains(rng, settings, count)  # (count, 3)
    images = []
    for number in range(count):
        shift = np.hstack([np.eye(2), -corners[number, :, None]])
        image = cv2.warpAffine(background, shift, (settings.width, settings.height))
        if thing is not None:
            paint(image, thing, poses[number])
        images.append(cv2.transform(image, np.diag(gains[number])))
    if still:
        images = images * settings.frames
    noise_frames = itertools.cycle(canvases.noise_frames)
    return [cv2.add(image, noise, dtype=cv2.CV_8U) for image, noise in zip(images, noise_frames, strict=False)]


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


def _frame_corners(
    rng: np.random.Generator, pan: np.ndarray, canvas: tuple[int, ...], settings: ClipSettings, count: int
) -> np.ndarray:
    """Upper left corner of each frame on the canvas (count, 2); all frames lie on the canvas."""
    corners = pan * np.arange(count)[:, None]  # (count, 2)
    room = np.array([canvas[1] - settings.width, canvas[0] - settings.height])
    corners -= corners.min(0)
    slack = np.maximum(room - corners.max(0), 0)
    return corners + rng.uniform(0, 1, 2) * slack


def _poses(rng: np.random.Generator, pan: np.ndarray, settings: ClipSettings, count: int) -> list[Pose]:
    """Poses along a straight line through the frame; the thing moves against the background in every frame."""
    centres = _centres(rng, pan, settings, count)
    frame_indices = np.arange(count)
    turn = rng.uniform(0.3, 1.0) * rng.choice([-1, 1]) * np.radians(settings.largest_turn) / 30
    angles = rng.uniform(0, 2 * np.pi) + turn * frame_indices
    low, high = np.log(settings.scales[0]), np.log(settings.scales[1])
    swing = np.sin(rng.uniform(0, 2 * np.pi) + 2 * np.pi * frame_indices / rng.uniform(60, 110))
    scales = np.exp((low + high) / 2 + (high - low) / 2 * swing)
    leans = 0.2 * np.sin(rng.uniform(0, 2 * np.pi) + 2 * np.pi * frame_indices / rng.uniform(50, 90))
    ripples = rng.uniform(0, 2 * np.pi) + rng.uniform(0.05, 0.15) * frame_indices
    hues = band_hue(rng.uniform(0, 2 * np.pi) + 2 * np.pi * frame_indices / rng.uniform(*settings.hue_periods))
    return [Pose(*values) for values in zip(*centres.T, angles, scales, leans, ripples, hues, strict=True)]


def _centres(rng: np.random.Generator, pan: np.ndarray, settings: ClipSettings, count: int) -> np.ndarray:
    """Centres (count, 2) on a straight line inside the frame, at LEAST_SPEED or more against the background."""
    margin = RADIUS * settings.scales[1] * 1.1
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
