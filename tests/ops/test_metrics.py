"""What is counted, read back by Prometheus' own parser."""

import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.fakes.clock import FakeClock

from evenkeel.domain.errors import OutsideError
from evenkeel.ops import metrics
from evenkeel.ops.metrics import Metrics, Served


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def kept(clock):
    return Metrics(clock)


def read(kept):
    """Every sample of the page, by name and labels."""
    registry = CollectorRegistry()
    registry.register(kept)
    return samples(generate_latest(registry).decode())


def samples(page):
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_durations_are_a_histogram(kept, clock):
    for seconds in (0.002, 0.05, 0.3, 99):
        with kept.timed("append"):
            clock.advance(seconds)
    found = read(kept)
    name = "evenkeel_operation_seconds"
    assert found[f"{name}_count", "append"] == 4
    assert found[f"{name}_sum", "append"] == pytest.approx(99.352)
    buckets = {
        bound: found[f"{name}_bucket", *sorted(("append", bound))]
        for bound in ("0.001", "0.0025", "0.05", "0.1", "0.5", "10.0", "+Inf")
    }
    assert buckets == {"0.001": 0, "0.0025": 1, "0.05": 2, "0.1": 2, "0.5": 3, "10.0": 3, "+Inf": 4}


def test_what_fails_is_timed_too(kept):
    with pytest.raises(KeyError), kept.timed("append"):
        {}["no such"]
    assert read(kept)["evenkeel_operation_seconds_count", "append"] == 1


def test_what_is_slow_is_said(kept, clock, events):
    with kept.timed("append", slow_seconds=1):
        clock.advance(1)
    with kept.timed("append", slow_seconds=1):
        clock.advance(1.5)
    (event,) = events()
    assert (event["event"], event["level"]) == ("slow operation", "warning")
    assert (event["operation"], event["seconds"], event["bound"]) == ("append", 1.5, 1)


def test_events_are_counted_by_label_and_the_present_is_a_gauge(kept):
    kept.count("retries", source="yahoo")
    kept.count("retries", 2, source="yahoo")
    kept.count("retries", source="other")
    kept.gauge("price_age_seconds", 5, instrument="A", venue="X")
    kept.gauge("price_age_seconds", 3, venue="X", instrument="A")
    kept.count("starts")
    found = read(kept)
    assert found["evenkeel_retries_total", "yahoo"] == 3
    assert found["evenkeel_retries_total", "other"] == 1
    assert found["evenkeel_price_age_seconds", "A", "X"] == 3
    assert found[("evenkeel_starts_total",)] == 1


def test_a_name_has_its_labels(kept):
    """One page of metrics with two sets of labels under a name could not be read."""
    kept.count("retries", source="yahoo")
    with pytest.raises(AssertionError, match="retries"):
        kept.count("retries", host="yahoo")
    kept.gauge("age", 1)
    with pytest.raises(AssertionError, match="age"):
        kept.gauge("age", 1, source="yahoo")


def test_threads_lose_no_count(kept):
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(lambda: [kept.count("x") or kept.observe("y", 0.1) for _ in range(1_000)])
    found = read(kept)
    assert found[("evenkeel_x_total",)] == 8_000
    assert found["evenkeel_operation_seconds_count", "y"] == 8_000


def test_the_page_is_served_on_the_loopback_until_it_is_closed(kept):
    kept.count("starts")
    served = Served(0, kept)
    try:
        assert served._server.server_address[0] == "127.0.0.1"
        with urllib.request.urlopen(f"http://127.0.0.1:{served.port}/metrics") as page:
            assert samples(page.read().decode())[("evenkeel_starts_total",)] == 1
        with pytest.raises(OutsideError, match=rf"127\.0\.0\.1:{served.port}: .* metrics\.port"):
            Served(served.port, kept)
    finally:
        served.close()
    Served(served.port, kept).close()


def test_a_process_counts_without_the_library():
    code = "import sys; from evenkeel.ops.metrics import timed, count\nwith timed('x'): count('y')\nprint('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "False"


def test_the_functions_count_for_this_process():
    metrics.count("test_metrics", 2)
    metrics.observe("test metrics", 0.5)
    metrics.gauge("test_metrics_now", 1)
    found = read(metrics.METRICS)
    assert found[("evenkeel_test_metrics_total",)] == 2
    assert found["evenkeel_operation_seconds_count", "test metrics"] == 1
