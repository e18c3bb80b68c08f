"""Longer bars are made session by session, against a slow plain loop."""

from datetime import date

import numpy as np
import pytest

from evenkeel.calendar.sessions import sessions
from evenkeel.domain.errors import UsageError
from evenkeel.market.arrow_cache import ROWS_MIN, ArrowCache
from evenkeel.market.catalog import Catalog
from evenkeel.market.resample import resampled
from evenkeel.market.seen import seen

MINUTE = 60_000_000_000
HOUR, DAY = 60 * MINUTE, 1440 * MINUTE


def ns(text):
    return int(np.datetime64(text, "ns").astype(np.int64))


def bars(ts):
    random = np.random.default_rng(3)
    close = 100 + np.cumsum(random.normal(0, 0.1, len(ts)))
    return {
        "ts": np.array(ts),
        "open": close - 0.1,
        "high": close + random.uniform(0.2, 1, len(ts)),
        "low": close - random.uniform(0.2, 1, len(ts)),
        "close": close,
        "volume": random.integers(1, 100, len(ts)).astype(float),
    }


def plainly(columns, key):
    """One bar for each key, by dictionaries; None: the bar belongs to none."""
    made = {}
    for row, ts in enumerate(columns["ts"].tolist()):
        begin = key(ts)
        if begin is None:
            continue
        bar = {name: columns[name][row] for name in ("open", "high", "low", "close", "volume")}
        old = made.get(begin)
        if old is None:
            made[begin] = bar
            continue
        made[begin] = {
            "open": old["open"],
            "high": max(old["high"], bar["high"]),
            "low": min(old["low"], bar["low"]),
            "close": bar["close"],
            "volume": old["volume"] + bar["volume"],
        }
    return made


def same(found, made):
    assert found["ts"].tolist() == list(made)
    for name in ("open", "high", "low", "close", "volume"):
        assert found[name].tolist() == [bar[name] for bar in made.values()]


NEW_YORK = sessions("XNYS", date(2013, 11, 26), date(2013, 12, 3))


def new_york(wanted):
    """Sessions around Thanksgiving 2013, a half day among them; pre-market bars belong to none."""

    def key(ts):
        for day, opens, closes in zip(
            NEW_YORK.dates.tolist(), NEW_YORK.opens.tolist(), NEW_YORK.closes.tolist(), strict=True
        ):
            if opens <= ts < closes:
                return day * DAY if wanted == DAY else opens + (ts - opens) // wanted * wanted
        return None

    return key


@pytest.mark.parametrize("wanted", [5 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, DAY])
def test_bars_of_an_exchange_are_counted_from_its_open(wanted):
    ts = np.concatenate([
        np.arange(opens - 90 * MINUTE, closes + 30 * MINUTE, MINUTE)
        for opens, closes in zip(NEW_YORK.opens.tolist(), NEW_YORK.closes.tolist(), strict=True)
    ])  # fmt: skip
    columns = bars(ts)
    same(resampled(columns, "XNYS", MINUTE, wanted), plainly(columns, new_york(wanted)))


@pytest.mark.parametrize("wanted", [HOUR, DAY, 7 * DAY])
def test_without_a_market_days_are_those_of_utc(wanted):
    columns = bars(ns("2024-01-01") + np.arange(0, 20 * DAY, 10 * MINUTE))
    monday = ns("2024-01-01")  # it was one
    made = plainly(columns, lambda ts: monday + (ts - monday) // wanted * wanted)
    same(resampled(columns, "XXXX", 10 * MINUTE, wanted), made)


def test_weeks_of_an_exchange_begin_on_monday():
    days = sessions("XNYS", date(2024, 1, 2), date(2024, 1, 19)).dates * DAY
    found = resampled(bars(days), "XNYS", DAY, 7 * DAY)
    assert found["ts"].tolist() == [ns("2024-01-01"), ns("2024-01-08"), ns("2024-01-15")]


def test_a_shorter_bar_cannot_be_made_of_a_longer_one():
    columns = bars(np.array([0]))
    for wanted in (MINUTE, 90 * MINUTE, HOUR):
        with pytest.raises(UsageError, match="cannot be made of bars"):
            resampled(columns, "XXXX", HOUR, wanted)


def test_nothing_becomes_nothing():
    nothing = {name: column[:0] for name, column in bars(np.array([0])).items()}
    assert len(resampled(nothing, "XNYS", MINUTE, HOUR)["ts"]) == 0
    night = bars(np.array([ns("2013-11-26T03:00")]))
    assert len(resampled(night, "XNYS", MINUTE, HOUR)["ts"]) == 0


# ---- through the catalog ----


def keep(catalog, name, ts, interval="1m"):
    columns = bars(ts)
    ts = columns.pop("ts")
    catalog.shelf(interval).add(
        seen([name], np.zeros(len(ts), np.int64), ts, columns, at=int(ts[-1]), source="feed")
    )


def test_the_catalog_makes_hours_of_its_minutes(tmp_path):
    catalog = Catalog(tmp_path)
    keep(catalog, "BTC.XXXX", ns("2024-01-01") + np.arange(3000) * MINUTE)
    (hours,) = catalog.bars(["BTC.XXXX"], interval="1h")
    assert len(hours) == 50
    assert hours.closed_at[0] == ns("2024-01-01T01:00")
    assert hours.source.endswith("#main/1h")


# ---- mapped histories ----


def test_a_long_history_is_mapped_and_made_anew_when_it_changes(tmp_path):
    catalog = Catalog(tmp_path / "catalog")
    ts = ns("2024-01-01") + np.arange(ROWS_MIN + 5) * MINUTE
    keep(catalog, "BTC.XXXX", ts)
    shelf, cache = catalog.shelf("1m"), ArrowCache(tmp_path / "cache")
    for _ in range(2):
        found = cache.columns(shelf, "BTC.XXXX")
        assert found["close"].tolist() == shelf.columns("BTC.XXXX")["close"].tolist()
        assert not found["close"].flags.writeable
    (file,) = (tmp_path / "cache").rglob("*.arrow")
    part = cache.columns(shelf, "BTC.XXXX", start=int(ts[10]), stop=int(ts[20]))
    assert part["ts"].tolist() == ts[10:20].tolist()
    shelf.quarantine({"BTC.XXXX": [int(ts[3])]})
    assert len(cache.columns(shelf, "BTC.XXXX")["ts"]) == ROWS_MIN + 4
    (other,) = (tmp_path / "cache").rglob("*.arrow")
    assert other != file
    other.write_bytes(b"nothing")
    assert len(cache.columns(shelf, "BTC.XXXX")["ts"]) == ROWS_MIN + 4


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path):
    catalog = Catalog(tmp_path / "catalog")
    keep(catalog, "BTC.XXXX", ns("2024-01-01") + np.arange(ROWS_MIN) * MINUTE)
    (tmp_path / "cache").write_text("a file stands in its way")
    found = ArrowCache(tmp_path / "cache").columns(catalog.shelf("1m"), "BTC.XXXX")
    assert len(found["ts"]) == ROWS_MIN
