"""A web server that serves one file, well or badly."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves `content` in a way that the path names.

    /good, /drops (half of the bytes), /lies (other bytes), /long (more bytes), /norange, /gone.

    Attributes:
        content: bytes of the file.
        asked: way and Range header of each request.
    """

    daemon_threads = True
    content: bytes
    asked: list[tuple[str, str | None]]

    def url(self, way: str, name: str) -> str:
        """Address of the file, served in this way."""
        return f"http://127.0.0.1:{self.server_port}/{way}/{name}"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server

    def do_GET(self) -> None:
        """Send the file from the first byte of the Range header on."""
        way = self.path.split("/")[1]
        self.server.asked.append((way, self.headers.get("Range")))
        if way == "gone":
            self.send_error(404)
            return
        start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        content = self.server.content
        content = bytes(len(content)) if way == "lies" else content
        if way == "long":
            content += b"more"
        start = 0 if way == "norange" else start
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(200 if way == "norange" else 206)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = start + (len(content) - start) // 2 if way == "drops" else len(content)
        self.wfile.write(content[start:stop])

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def serving(content: bytes) -> Iterator[Server]:
    """A running server of a file on this machine."""
    with Server(("127.0.0.1", 0), Handler) as running:
        running.content, running.asked = content, []
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield running
        finally:  # a thread that serves on after its socket is closed would spin on whatever takes the socket's number
            running.shutdown()
