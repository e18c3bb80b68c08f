"""An HTTP transport that ends an exchange when its time is up, whatever the server does meanwhile.

A timeout of httpx is one for each read. A server that sends a byte now and then can so keep a
caller for ever; here the time left is what each read may take.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from evenkeel.ops.clock import Clock


class DeadlineTransport(httpx.BaseTransport):
    """Sends requests of any number of threads, each with `seconds` for all of its exchange.

    `changed` gives the query that goes out in place of a request's own: what must not be seen by
    whoever logs, keeps or shows requests is put on below them. Raises the errors of httpcore.
    """

    def __init__(
        self,
        trusted: ssl.SSLContext,
        clock: Clock,
        seconds: float,
        changed: Callable[[httpx.URL], httpx.URL],
    ) -> None:
        """Trust whom `trusted` says; open nothing yet."""
        self._clock, self._seconds, self._changed = clock, seconds, changed
        self._mine = threading.local()
        self._pool = httpcore.ConnectionPool(
            ssl_context=trusted, network_backend=_Backend(self._left)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._mine.until = self._clock.monotonic_ns() + int(self._seconds * 1e9)
        url = self._changed(request.url)
        asked = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.read(),
            extensions={
                "timeout": dict.fromkeys(("connect", "read", "write", "pool"), self._seconds)
            },
        )
        answer = self._pool.handle_request(asked)
        try:
            body = answer.read()
        finally:
            answer.close()
        return httpx.Response(answer.status, headers=answer.headers, content=body)

    def close(self) -> None:
        """Let the connections go."""
        self._pool.close()

    def _left(self, most: float | None) -> float:
        """Return how long this thread may wait; `httpcore.ReadTimeout` when its time is up."""
        left: float = (self._mine.until - self._clock.monotonic_ns()) / 1e9
        if left <= 0:
            raise httpcore.ReadTimeout(f"no whole answer within {self._seconds:g} s")
        return left if most is None else min(most, left)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, left: Callable[[float | None], float]) -> None:
        self._left, self._real = left, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        found = self._real.connect_tcp(
            host, port, self._left(timeout), local_address, socket_options
        )
        return _Stream(found, self._left)


class _Stream(httpcore.NetworkStream):
    def __init__(
        self, stream: httpcore.NetworkStream, left: Callable[[float | None], float]
    ) -> None:
        self._stream, self._left = stream, left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        found = self._stream.read(max_bytes, self._left(timeout))
        self._left(None)  # what comes when the time is up has not come
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._left(timeout))
        return _Stream(stream, self._left)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as httpcore has it
        return self._stream.get_extra_info(info)
