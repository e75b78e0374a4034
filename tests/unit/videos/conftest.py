"""Videos whose frames show their number, and a host of one of them."""

import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from worlds.hosts import Host

BITS = 8  # bars of a frame, each black or white: its number in binary


def numbered(index: int, height: int, width: int) -> np.ndarray:
    """A frame that shows its number: uint8 (height, width, 3)."""
    bars = np.repeat([(index >> bit & 1) * 255 for bit in range(BITS)], -(-width // BITS))[:width]
    return np.broadcast_to(bars[None, :, None], (height, width, 3)).astype(np.uint8)


def number_of(image: np.ndarray) -> int:
    """The number that an upright luma frame shows."""
    bars = np.array_split(image[image.shape[0] // 2].astype(float), BITS)
    return sum(1 << bit for bit, bar in enumerate(bars) if bar[len(bar) // 4 : -len(bar) // 4].mean() > 128)


@pytest.fixture(scope="session")
def make_video() -> Callable[..., Path]:
    """Writes a small video of numbered frames."""

    def make(
        path: Path,
        *,
        frames: int = 60,
        height: int = 96,
        width: int = 128,
        fps: int = 25,
        codec: str = "libx264",
        pixels: str = "yuv420p",
        options: dict[str, str] | None = None,
    ) -> Path:
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=fps, options=options or {})
            stream.height, stream.width, stream.pix_fmt = height, width, pixels
            for index in range(frames):
                frame = av.VideoFrame.from_ndarray(numbered(index, height, width), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return make


@pytest.fixture
def host(make_video: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    path = make_video(tmp_path_factory.mktemp("host") / "clip.mp4", frames=50)
    padding = bytes(100_000)  # a box of MP4 that readers skip
    server = Host(path.read_bytes() + struct.pack(">I4s", len(padding) + 8, b"free") + padding)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()
