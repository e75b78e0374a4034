"""A small film of a textured square that wanders over a still, textured background."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tracklearn.videos.manifest import Row, write_manifest

HEIGHT, WIDTH, BOX = 224, 300, 99


def texture(height, width, seed):
    """Smooth colour noise with many corners, uint8 RGB."""
    noise = np.random.default_rng([11, seed]).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def film(count, *, step=(1.4, 0.7), pan=0.0, start=(30, 40), square=110):
    """Frames of a square of `square` px that moves over the background by `step` (x, y) a frame; the camera pans."""
    background, patch = texture(HEIGHT, WIDTH + 400, 1), texture(square, square, 2)
    for index in range(count):
        shift = np.float32([[1, 0, -pan * index], [0, 1, 0]])
        frame = cv2.warpAffine(background, shift, (WIDTH, HEIGHT))
        x, y = start[0] + (step[0] - pan) * index, start[1] + step[1] * index
        placement = np.float32([[1, 0, x], [0, 1, y]])
        inside = cv2.warpAffine(np.full((square, square), 255, np.uint8), placement, (WIDTH, HEIGHT))[..., None] / 255
        moved = cv2.warpAffine(patch, placement, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        yield (inside * moved + (1 - inside) * frame).astype(np.uint8)


def write_film(path, frames, *, fps=30):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "12", "g": "15"})
        stream.pix_fmt, stream.height, stream.width = "yuv420p", HEIGHT, WIDTH
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="session")
def films(tmp_path_factory) -> Path:
    """A folder with four films (moving.mp4 has 75 frames), and a manifest of these films and of a failed video."""
    folder = tmp_path_factory.mktemp("films")
    write_film(folder / "moving.mp4", film(75))
    write_film(folder / "still.mp4", film(35, step=(0, 0)))
    write_film(folder / "panning.mp4", film(35, step=(0, 0), pan=2))
    (folder / "broken.mp4").write_bytes(b"<html>not found</html>" * 10)
    rows = [Row(name, name, str(folder / f"{name}.mp4"), "ok") for name in ("moving", "still", "panning", "broken")]
    rows.append(Row("gone", "gone", status="failed", reason="HTTP error 404"))
    write_manifest(folder / "manifest.tsv", rows)
    return folder
