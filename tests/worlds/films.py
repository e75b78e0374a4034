"""Small films of a textured square that moves over a textured background."""

import ctypes
import faulthandler
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracklearn.videos.manifest import ManifestRow, write_manifest

HEIGHT, WIDTH, BOX = 224, 300, 99


def texture(height, width, seed):
    """Smooth colour noise with many corners, uint8 RGB."""
    noise = np.random.default_rng([11, seed]).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def film(count, *, step=(1.4, 0.7), pan=0.0, start=(30, 40), square=110):
    """Frames of a square that moves over the background, under a camera that pans.

    Args:
        count: number of frames.
        step: motion of the square over the background, (x, y) in pixels a frame.
        pan: motion of the camera to the right, in pixels a frame.
        start: left and top of the square in the first frame.
        square: side of the square in pixels.
    """
    background, patch = texture(HEIGHT, WIDTH + 400, 1), texture(square, square, 2)
    for index in range(count):
        shift = np.float32([[1, 0, -pan * index], [0, 1, 0]])
        frame = cv2.warpAffine(background, shift, (WIDTH, HEIGHT))
        x, y = start[0] + (step[0] - pan) * index, start[1] + step[1] * index
        place = np.float32([[1, 0, x], [0, 1, y]])
        inside = cv2.warpAffine(np.full((square, square), 255, np.uint8), place, (WIDTH, HEIGHT))[..., None] / 255
        moved = cv2.warpAffine(patch, place, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        yield (inside * moved + (1 - inside) * frame).astype(np.uint8)


def write_film(path, frames, *, fps=30):
    """Write frames, uint8 RGB (HEIGHT, WIDTH, 3), as a video with a key frame every 15 frames."""
    import av  # noqa: PLC0415 (a test that makes no film runs without it)

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "12", "g": "15"})
        stream.pix_fmt, stream.height, stream.width = "yuv420p", HEIGHT, WIDTH
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="session")
def films(tmp_path_factory) -> Path:
    """A folder with moving.mp4 (75 frames), still.mp4, panning.mp4, broken.mp4 and manifest.tsv.

    The manifest also has a video that could not be downloaded.
    """
    folder = tmp_path_factory.mktemp("films")
    write_film(folder / "moving.mp4", film(75))
    write_film(folder / "still.mp4", film(35, step=(0, 0)))
    write_film(folder / "panning.mp4", film(35, step=(0, 0), pan=2))
    (folder / "broken.mp4").write_bytes(b"<html>not found</html>" * 10)
    rows = [
        ManifestRow(name, name, str(folder / f"{name}.mp4"), "ok") for name in ("moving", "still", "panning", "broken")
    ]
    rows.append(ManifestRow("gone", "gone", status="failed", reason="HTTP error 404"))
    write_manifest(folder / "manifest.tsv", rows)
    return folder


@pytest.fixture
def crash_at(monkeypatch):
    """A function that lets the decoder crash, as by a null pointer, when it reads a video with a given name."""
    from tracklearn.videos import frames, packets  # noqa: PLC0415 (they need PyAV, as above)

    def install(name):
        def read_packets(container, stream):
            if Path(container.name).stem == name:
                faulthandler.disable()
                ctypes.string_at(0)
            return packets.read_packets(container, stream)

        monkeypatch.setattr(frames, "read_packets", read_packets)

    return install
