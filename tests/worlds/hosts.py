"""A web server of videos that breaks off, stalls, states wrong lengths, and asks for rests."""

import re
import socket
import struct
import threading
import time
from collections import Counter
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Host(ThreadingHTTPServer):
    """A host of videos on 127.0.0.1; the folder of an address says how the host behaves: `/drops/clip.mp4`.

    The bytes of a file depend on its name: each name is a video of its own.

    Attributes:
        requests: number of requests for a body, by behaviour.
        asked: the same by path.
        ranges: first bytes of the ranges that were asked for.
        early: time (s) and path of each request during a rest that the host has asked for.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, video: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.video = video
        self.requests: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.early: list[tuple[float, str]] = []
        self.rest_ends = 0.0
        self.ranges: list[int] = []
        self.closing = threading.Event()

    def url(self, behaviour: str, name: str = "clip") -> str:
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/{name}.mp4"

    def file(self, name: str) -> bytes:
        """The bytes of a file: the video, and behind it the name in a box of MP4 that readers skip."""
        return (
            self.video if name == "clip" else self.video + struct.pack(">I4s", len(name) + 8, b"free") + name.encode()
        )

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that hang up, as they do in these tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Host

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""

    def end_headers(self) -> None:
        """Say that the connection ends: a client that does not know would use it again."""
        self.send_header("Connection", "close")
        super().end_headers()

    def do_HEAD(self) -> None:
        self.answer(self.path.split("/")[1], head=True)

    def do_GET(self) -> None:
        self.answer(self.path.split("/")[1])

    def answer(self, behaviour: str, *, head: bool = False) -> None:
        self.close_connection = True
        self.server.requests[behaviour] += not head
        self.server.asked[self.path] += not head
        if (now := time.time()) < self.server.rest_ends:
            self.server.early.append((now, self.path))
        first = self.server.asked[self.path] == 1
        if behaviour == "redirects":
            self.send_response(302)
            self.send_header("Location", self.path.replace("redirects", "fine"))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif behaviour == "forbidden":
            self.send_error(403)
        elif behaviour == "closed":
            self.ask_for_rest(403, "3600", 3600)
        elif behaviour == "busy" and first:
            self.ask_for_rest(429, "1", 1)
        elif behaviour == "dated" and first:
            end = int(time.time()) + 2
            self.ask_for_rest(503, formatdate(end, usegmt=True), end - time.time())
        elif behaviour == "gone":
            self.send_error(404)
        elif behaviour == "broken" or (behaviour == "recovers" and self.server.requests[behaviour] <= 2):
            self.send_error(500)
        elif behaviour == "html":
            self.body(b"<!DOCTYPE html><html><body>Sign in to continue</body></html>", head=head)
        elif behaviour == "nothing":
            self.body(b"", head=head)
        else:
            name = self.path.split("/")[2].removesuffix(".mp4")
            self.body(self.server.file(name), head=head, behaviour=behaviour)

    def ask_for_rest(self, status: int, retry_after: str, seconds: float) -> None:
        self.server.rest_ends = time.time() + seconds
        self.send_response(status)
        self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

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
        whole = len(content) >= len(self.server.video)
        if behaviour == "drops" and whole:  # requests of a range are answered in full
            self.wfile.write(content[:half])
        elif behaviour == "resets" and whole:
            self.wfile.write(content[:half])
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
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
