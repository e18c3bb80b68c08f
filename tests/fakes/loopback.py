"""A server on loopback that answers as a test tells it to, and keeps a log of what it was asked."""

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it came in over the wire."""

    host: str
    path: str
    query: dict[str, str]


@dataclass(frozen=True)
class Reply:
    """What goes back. `body` is text, bytes, or anything that JSON can hold."""

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    until: threading.Event | None = None
    """Nothing is said before this is set: a server that hangs."""
    after_each_piece: Callable[[], object] | None = None
    """Called while the answer, headers and all, drips out some bytes at a time."""

    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class Loopback:
    """The server; `answer` may be replaced at any time. A context manager that ends it."""

    def __init__(
        self, answer: Callable[[Asked], Reply], *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.answer = answer
        self.log: list[Asked] = []
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                host = self.headers.get("X-Orig-Host") or self.headers.get("Host", "")
                asked = Asked(host, parts.path, query)
                loopback.log.append(asked)
                reply = loopback.answer(asked)
                while reply.until is not None and not reply.until.wait(0.01):
                    if loopback.closing.is_set():
                        return
                content = reply.content()
                try:
                    if reply.after_each_piece is not None:
                        self._drip(content, reply.after_each_piece)
                        return
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    pass  # the caller did not wait for it

            def _drip(self, content: bytes, after_each: Callable[[], object]) -> None:
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
                whole = head + content
                for start in range(0, len(whole), 16):
                    self.wfile.write(whole[start : start + 16])
                    after_each()
                    if loopback.closing.is_set():
                        return

            def log_message(self, *_: object) -> None:
                """Say nothing on stderr."""

        return Handler
