"""Clips: a thing moves, turns, swells and ripples before a panning camera; some are still, empty or broken."""

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
LEAST_SPEED = 1.8  # px a frame against the background: most of it is another after 30 frames
# Of every 40 clips: 36 show a moving thing, the others must be turned away by mining, or by the probe of the files.
KINDS = ("moving",) * 36 + ("still", "camera", "camera", "broken")
BREAKS = ("truncated", "empty", "text")


@dataclass(frozen=True)
class ClipSettings:
    """Size of a frame in px, number of frames, and how much a thing and the light change within 30 frames."""

    height: int = 224
    width: int = 300
    frames: int = 76
    turn: float = 70.0  # degrees within 30 frames, at most
    scale: tuple[float, float] = (0.75, 1.3)
    pan: tuple[float, float] = (2.0, 3.2)  # px a frame
    hue_period: tuple[float, float] = (100.0, 200.0)  # frames
    light_period: tuple[float, float] = (45.0, 75.0)  # frames
    light: float = 0.15  # largest change of brightness, as a share
    noise: float = 2.0  # grey levels


@dataclass(frozen=True)
class Canvases:
    """What all clips of a world share: canvases to pan over and frames of sensor noise (int16)."""

    backgrounds: list[Image]
    noises: list[np.ndarray]


def draw_canvases(seed: int, settings: ClipSettings, *, count: int = 12) -> Canvases:
    """The shared canvases of a world; the same in every process."""
    rng = np.random.default_rng([seed, 1])
    shape = (settings.height, settings.width, 3)
    noises = [rng.normal(0, settings.noise, shape).round().astype(np.int16) for _ in range(7)]
    return Canvases([draw_canvas(rng) for _ in range(count)], noises)


def clip_name(index: int) -> str:
    """File-name-safe id of a clip."""
    return f"clip{index:04d}"


def write_clip(path: Path, index: int, *, seed: int, canvases: Canvases, settings: ClipSettings) -> str:
    """Writes clip `index` as mp4 (H.264) and returns its kind."""
    rng = np.random.default_rng([seed, 2, index])
    kind = KINDS[(index * 7) % len(KINDS)]  # 7 spreads the odd kinds over the list
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
    """The frames of one clip, RGB (H, W, 3)."""
    count = 1 if still else settings.frames
    background = canvases.backgrounds[rng.integers(len(canvases.backgrounds))]
    pan = _polar(rng.uniform(*settings.pan), rng.uniform(0, 2 * np.pi))
    corners = _camera(rng, pan, background.shape, settings, count)  # (count, 2)
    poses = [] if thing is None else _poses(rng, pan, settings, count)
    light = _light(rng, settings, count)  # (count, 3)
    images = []
    for number in range(count):
        shift = np.hstack([np.eye(2), -corners[number, :, None]])
        image = cv2.warpAffine(background, shift, (settings.width, settings.height))
        if thing is not None:
            paint(image, thing, poses[number])
        images.append(cv2.transform(image, np.diag(light[number])))
    if still:
        images = images * settings.frames
    noises = itertools.cycle(canvases.noises)
    return [cv2.add(image, noise, dtype=cv2.CV_8U) for image, noise in zip(images, noises, strict=False)]


def encode(path: Path, frames: list[Image]) -> None:
    """Writes RGB frames as H.264 in mp4, quickly rather than small."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        stream.codec_context.thread_count = 1
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def _polar(length: float, angle: float) -> np.ndarray:
    return length * np.array([np.cos(angle), np.sin(angle)])


def _camera(
    rng: np.random.Generator, pan: np.ndarray, canvas: tuple[int, ...], settings: ClipSettings, count: int
) -> np.ndarray:
    """Upper left corner of each frame on the canvas (count, 2); the whole way lies on the canvas."""
    way = pan * np.arange(count)[:, None]  # (count, 2)
    room = np.array([canvas[1] - settings.width, canvas[0] - settings.height])
    way -= way.min(0)
    slack = np.maximum(room - way.max(0), 0)
    return way + rng.uniform(0, 1, 2) * slack


def _poses(rng: np.random.Generator, pan: np.ndarray, settings: ClipSettings, count: int) -> list[Pose]:
    """Poses along a straight way through the frame; the thing moves against the background in every frame."""
    way = _way(rng, pan, settings, count)
    frame = np.arange(count)
    turn = rng.uniform(0.3, 1.0) * rng.choice([-1, 1]) * np.radians(settings.turn) / 30
    angles = rng.uniform(0, 2 * np.pi) + turn * frame
    low, high = np.log(settings.scale[0]), np.log(settings.scale[1])
    swing = np.sin(rng.uniform(0, 2 * np.pi) + 2 * np.pi * frame / rng.uniform(60, 110))
    scales = np.exp((low + high) / 2 + (high - low) / 2 * swing)
    leans = 0.2 * np.sin(rng.uniform(0, 2 * np.pi) + 2 * np.pi * frame / rng.uniform(50, 90))
    ripples = rng.uniform(0, 2 * np.pi) + rng.uniform(0.05, 0.15) * frame
    hues = band_hue(rng.uniform(0, 2 * np.pi) + 2 * np.pi * frame / rng.uniform(*settings.hue_period))
    return [Pose(*seen) for seen in zip(*way.T, angles, scales, leans, ripples, hues, strict=True)]


def _way(rng: np.random.Generator, pan: np.ndarray, settings: ClipSettings, count: int) -> np.ndarray:
    """Centres (count, 2): a straight way inside the frame, at least LEAST_SPEED away from the background's motion."""
    margin = RADIUS * settings.scale[1] * 1.1
    low = np.array([margin, margin])
    high = np.array([settings.width, settings.height]) - low
    while True:
        start, end = rng.uniform(low, high), rng.uniform(low, high)
        speed = (end - start) / max(count, 2)
        if np.hypot(*(speed + pan)) >= LEAST_SPEED:
            return start + speed * np.arange(count)[:, None]


def _light(rng: np.random.Generator, settings: ClipSettings, count: int) -> np.ndarray:
    """Gain of each channel (count, 3): slow swings of brightness and of the colour of the light.

    A swing takes about twice as long as tracking, so that the light of a query says nothing about the tracked patch's.
    """
    frame = np.arange(count)[:, None]
    common, cast = (
        np.sin(rng.uniform(0, 2 * np.pi, size) + 2 * np.pi * frame / rng.uniform(*settings.light_period, size))
        for size in (1, 3)
    )  # (count, 1), (count, 3)
    return 1 + settings.light * common + settings.light / 3 * cast
