"""Videos whose frames show their number, and a web server that breaks off, stalls and states wrong lengths."""

import re
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest

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


class Host(ThreadingHTTPServer):
    """A host of videos on 127.0.0.1; the folder of an address says how the host behaves: `/drops/clip.mp4`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, video: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.video = video
        self.requests: Counter[str] = Counter()
        self.ranges: list[int] = []
        self.closing = threading.Event()

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/clip.mp4"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that hang up, as they do in these tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Host

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""

    def do_HEAD(self) -> None:
        self.answer(self.path.split("/")[1], head=True)

    def do_GET(self) -> None:
        self.answer(self.path.split("/")[1])

    def answer(self, behaviour: str, *, head: bool = False) -> None:
        self.close_connection = True
        self.server.requests[behaviour] += not head
        if behaviour == "gone":
            self.send_error(404)
        elif behaviour == "broken" or (behaviour == "recovers" and self.server.requests[behaviour] <= 2):
            self.send_error(500)
        elif behaviour == "html":
            self.body(b"<!DOCTYPE html><html><body>Sign in to continue</body></html>", head=head)
        elif behaviour == "nothing":
            self.body(b"", head=head)
        else:
            self.body(self.server.video, head=head, behaviour=behaviour)

    def body(self, content: bytes, *, head: bool, behaviour: str = "") -> None:
        start = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0, 0])[1])
        if start:
            self.server.ranges.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        lie = 5000 if behaviour == "longer" else 0
        self.send_header("Content-Length", str(len(content) - start + lie))
        self.end_headers()
        if not head:
            self.send(content[start:], behaviour)

    def send(self, content: bytes, behaviour: str) -> None:
        half = len(content) // 2
        if behaviour == "drops" and len(content) == len(self.server.video):  # requests of a range are answered in full
            self.wfile.write(content[:half])
        elif behaviour == "stalls":
            self.wfile.write(content[:half])
            self.server.closing.wait()
        elif behaviour in ("drips", "trickles"):
            size, at_once = {"drips": (1, half), "trickles": (1024, 0)}[behaviour]
            self.wfile.write(content[:at_once])
            for start in range(at_once, len(content), size):
                self.wfile.write(content[start : start + size])
                if self.server.closing.wait(0.1):
                    return
        else:
            self.wfile.write(content)


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
