"""How long things take and how often they happen, for Prometheus and for the log.

    with timed("journal append", slow_seconds=0.1): …     counts a duration, warns of a slow one
    count("retry", source="yahoo")                        counts an event
    gauge("price_age_seconds", 12.0, instrument="…")      says how something stands now

Counting costs microseconds and imports nothing; prometheus-client comes in when somebody serves.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct, field

from evenkeel.domain.errors import OutsideError
from evenkeel.ops.clock import SYSTEM_CLOCK
from evenkeel.ops.logging import log_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from evenkeel.ops.clock import Clock

BUCKETS = (0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the durations' buckets, in seconds; the last one has no bound."""

_LOG = log_of("ops.timing")

Labels = tuple[tuple[str, str], ...]


class _Durations(Struct):
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0


class Metrics:
    """What was counted since this process began. Any thread may count."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._durations: dict[str, _Durations] = {}
        self._counts: dict[str, dict[Labels, float]] = {}
        self._gauges: dict[str, dict[Labels, float]] = {}

    @contextmanager
    def timed(self, operation: str, *, slow_seconds: float = float("inf")) -> Iterator[None]:
        """Count how long the body takes, also when it fails; warn when it is longer than that."""
        began = self._clock.monotonic_ns()
        try:
            yield
        finally:
            seconds = (self._clock.monotonic_ns() - began) / 1e9
            self.observe(operation, seconds)
            if seconds > slow_seconds:
                _LOG.warning(
                    "slow operation", operation=operation, seconds=seconds, bound=slow_seconds
                )

    def observe(self, operation: str, seconds: float) -> None:
        """Count a duration that somebody else measured."""
        with self._lock:
            kept = self._durations.setdefault(operation, _Durations())
            kept.buckets[bisect_left(BUCKETS, seconds)] += 1
            kept.total += seconds

    def count(self, event: str, amount: float = 1, **labels: str) -> None:
        """Count an event; one name always takes the same labels."""
        with self._lock:
            kept = self._counts.setdefault(event, {})
            key = _key(event, kept, labels)
            kept[key] = kept.get(key, 0) + amount

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Say how something stands now; one name always takes the same labels."""
        with self._lock:
            kept = self._gauges.setdefault(name, {})
            kept[_key(name, kept, labels)] = value

    def collect(self) -> Iterator[Metric]:
        """Yield all of it as Prometheus reads it; this is what makes it one of its collectors."""
        from prometheus_client import core

        with self._lock:
            durations = core.HistogramMetricFamily(
                "evenkeel_operation_seconds", "How long operations took.", labels=["operation"]
            )
            for operation, kept in self._durations.items():
                durations.add_metric([operation], _cumulated(kept.buckets), kept.total)
            counts = [_family(core.CounterMetricFamily, *each) for each in self._counts.items()]
            gauges = [_family(core.GaugeMetricFamily, *each) for each in self._gauges.items()]
        yield durations
        yield from counts
        yield from gauges


def _key(name: str, kept: dict[Labels, float], labels: dict[str, str]) -> Labels:
    key = tuple(sorted(labels.items()))
    first = next(iter(kept), key)
    assert [each for each, _ in first] == [each for each, _ in key], (name, first, key)
    return key


def _cumulated(buckets: list[int]) -> list[tuple[str, float]]:
    bounds = [*map(str, BUCKETS), "+Inf"]
    return [(bound, sum(buckets[: at + 1])) for at, bound in enumerate(bounds)]


def _family(kind: type[Metric], name: str, values: dict[Labels, float]) -> Metric:
    names = [label for label, _ in next(iter(values))]
    family = kind(f"evenkeel_{name}", name.replace("_", " "), labels=names)  # type: ignore[call-arg]
    for labels, value in values.items():
        family.add_metric([text for _, text in labels], value)  # type: ignore[attr-defined]
    return family


METRICS = Metrics()
"""What this process counts; the functions below count here."""

timed = METRICS.timed
observe = METRICS.observe
count = METRICS.count
gauge = METRICS.gauge


class Served:
    """A page of metrics at `http://127.0.0.1:<port>/metrics`; `close` takes it down."""

    def __init__(self, port: int, metrics: Metrics = METRICS) -> None:
        """Serve on the loopback alone, at a free port for 0; `OutsideError` if it is taken."""
        from prometheus_client import CollectorRegistry, start_http_server

        registry = CollectorRegistry(auto_describe=False)
        registry.register(metrics)
        try:
            self._server, self._thread = start_http_server(port, "127.0.0.1", registry)
        except OSError as error:
            raise OutsideError(
                f"metrics cannot be served at 127.0.0.1:{port}: {error.strerror}; set "
                "metrics.port to another one, or to 0 for none"
            ) from error
        self.port = self._server.server_port

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
