"""Alpha Vantage over HTTP: prices as traded. Everything it says comes with status 200.

So an answer is what holds the series that was asked for; without it the text says what is wrong.
On a free key it has the last 100 sessions and no more: it can confirm and fill gaps, not start a
history. The key goes onto a request after everything that could log or keep it.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import InvalidOperation
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from evenkeel.calendar.sessions import exchange_timezone
from evenkeel.domain.errors import ConfigError
from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.instrument import NO_MARKET
from evenkeel.domain.money import exact
from evenkeel.market.actions import due, split_ratio
from evenkeel.market.columns import DAY, PRICES
from evenkeel.market.fetched import fetched, missing_sessions
from evenkeel.market.history import closing_times
from evenkeel.market.manners import retry_after
from evenkeel.market.provider import (
    Answer,
    Facts,
    Failure,
    Fetched,
    Origin,
    ProviderError,
    Quote,
    interval_ns,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    import httpx

    from evenkeel.domain.bar import Times
    from evenkeel.domain.events import CorporateAction
    from evenkeel.domain.instrument import Instrument
    from evenkeel.market.manners import Manners
    from evenkeel.ops.clock import Clock

BASE_URL = "https://www.alphavantage.co"
COMPACT = 100
"""How many rows a free key gets."""

COMPACT_REACHES_DAYS = 140
"""A hundred sessions are at least so many days."""

ENDINGS = {"XLON": ".LON", "XETR": ".DEX", "XFRA": ".FRK", "XTSE": ".TRT", "XTSX": ".TRV"}
"""What it puts behind the symbols of other markets than those of the United States."""

PENCE = frozenset(("XLON",))
"""Markets whose prices it gives in hundredths."""

QUOTA_ZONE = ZoneInfo("America/New_York")
"""Where its day is taken to end."""

KINDS = {"1m": "1min", "5m": "5min", "15m": "15min", "30m": "30min", "1h": "60min"}


class AlphaVantage:
    """The provider. `key` gives the key when it is needed; `premium` says what it was paid for."""

    name = "alpha_vantage"

    def __init__(
        self,
        key: Callable[[], str],
        manners: Manners,
        clock: Clock,
        *,
        base_url: str = BASE_URL,
        timeout: float = 10.0,
        premium: bool = False,
    ) -> None:
        """Speak to `base_url`, waiting at most `timeout` seconds for all of an answer."""
        self._manners, self._clock, self._premium = manners, clock, premium
        self._key = key
        self._client = _client(base_url, timeout, key, clock)

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def bars(self, instrument: Instrument, interval: str, start: int, end: int) -> Answer[Fetched]:
        interval_ns(interval)
        now = self._clock.now_ns()
        full = self._premium and start < now - COMPACT_REACHES_DAYS * DAY
        asked = {"outputsize": "full" if full else "compact", "symbol": _symbol(instrument)}
        if interval == "1d":
            asked["function"] = "TIME_SERIES_DAILY"
        else:
            asked |= {"function": "TIME_SERIES_INTRADAY", "interval": KINDS[interval]}
            asked |= {"adjusted": "false", "extended_hours": "false"}
        body = self._ask(instrument, asked, "Time Series")
        rows: Mapping[str, Any] = body[next(key for key in body if key.startswith("Time Series"))]
        with _Reading(self.name, instrument):
            zone = body["Meta Data"][next(k for k in body["Meta Data"] if "Time Zone" in k)]
            began = _beginnings(list(rows), zone, interval, instrument)
            columns = {
                name: np.array([_cell(row, name) for row in rows.values()], np.float64)
                for name in (*PRICES, "volume")
            }
        for name in PRICES:
            columns[name] /= _unit(instrument)
        origin = self._origin(instrument, self._clock.now_ns())
        found = fetched(instrument, interval, began, columns, start=start, end=end, origin=origin)
        return Answer(
            found,
            self._origin(
                instrument, origin.fetched_at, self._lacks(found, began, start, end, full=full)
            ),
        )

    def actions(
        self, instrument: Instrument, start: int, end: int
    ) -> Answer[tuple[CorporateAction, ...]]:
        symbol = _symbol(instrument)
        splits = self._ask(instrument, {"function": "SPLITS", "symbol": symbol}, "data")
        paid = self._ask(instrument, {"function": "DIVIDENDS", "symbol": symbol}, "data")
        with _Reading(self.name, instrument):
            found: list[CorporateAction] = [
                Split(
                    instrument.id,
                    _due(row["effective_date"], instrument),
                    *split_ratio(row["split_factor"]),
                )
                for row in splits["data"]
            ]
            found += [
                CashDividend(
                    instrument.id,
                    _due(row["ex_dividend_date"], instrument),
                    exact(row["amount"]) / _unit(instrument),
                    instrument.currency,
                )
                for row in paid["data"]
            ]
        kept = sorted((each for each in found if start <= each.at < end), key=lambda each: each.at)
        return Answer(tuple(kept), self._origin(instrument, self._clock.now_ns()))

    def facts(self, instrument: Instrument) -> Answer[Facts]:
        symbol = _symbol(instrument)
        asked = {"function": "SYMBOL_SEARCH", "keywords": symbol}
        matches = self._ask(instrument, asked, "bestMatches")["bestMatches"]
        with _Reading(self.name, instrument):
            same = [match for match in matches if match["1. symbol"] == symbol]
            if not same:
                raise self._unknown(instrument)
            facts = Facts(
                symbol=symbol,
                name=same[0]["2. name"],
                kind=same[0]["3. type"].casefold(),
                exchange=same[0]["4. region"],
            )
        return Answer(facts, self._origin(instrument, self._clock.now_ns()))

    def quote(self, instrument: Instrument) -> Answer[Quote]:
        asked = {"function": "GLOBAL_QUOTE", "symbol": _symbol(instrument)}
        said = self._ask(instrument, asked, "Global Quote")["Global Quote"]
        if not said:  # its way to say that it knows no such symbol
            raise self._unknown(instrument)
        now = self._clock.now_ns()
        with _Reading(self.name, instrument):
            day = np.array([_day(said["07. latest trading day"])], np.int64)
            unit = _unit(instrument)
            quote = Quote(
                price=float(said["05. price"]) / unit,
                at=min(now, int(closing_times(day, DAY, instrument.mic)[0])),
                previous_close=float(said["08. previous close"]) / unit,
                volume=float(said["06. volume"]),
            )
        return Answer(quote, self._origin(instrument, now))

    def _origin(self, instrument: Instrument, now: int, lacks: str = "") -> Origin:
        return Origin(source=self.name, fetched_at=now, currency=instrument.currency, lacks=lacks)

    def _lacks(self, found: Fetched, began: Times, start: int, end: int, *, full: bool) -> str:
        if not full and len(began) >= COMPACT and start < began.min():
            first = np.datetime64(int(began.min()), "ns").astype("datetime64[D]")
            return f"all before {first}: without a premium key it has the last {COMPACT} bars"
        now = self._clock.now_ns()
        return missing_sessions(found, start=start, end=end, now=now)

    def _unknown(self, instrument: Instrument) -> ProviderError:
        return ProviderError(self.name, Failure.UNKNOWN, f"it does not know {instrument.id}")

    # ---- one request ----

    def _ask(self, instrument: Instrument, asked: dict[str, str], wanted: str) -> dict[str, Any]:
        what = f"{asked['function']} of {instrument.id}"
        return self._manners.ask(lambda: self._once(instrument, asked, wanted), what)

    def _once(self, instrument: Instrument, asked: dict[str, str], wanted: str) -> dict[str, Any]:
        """Return the body that holds what is wanted; else say what its text means."""
        self._manners.spend()
        status, header, body = self._fetch(instrument, asked)
        if isinstance(body, dict) and any(key.startswith(wanted) for key in body):
            return body
        said = " ".join(str(value) for value in body.values()) if isinstance(body, dict) else ""
        said = said.replace(self._key(), "***")  # it likes to quote the key
        kind = _by_status(status) or classify(said, error="Error Message" in (body or ()))
        if kind is Failure.BUDGET_SPENT:
            self._manners.block(self._tomorrow(), "it has said that the day's requests are used up")
        wait = retry_after(header, self._clock.now_ns())
        if wait is None and kind is Failure.RATE_LIMITED and "per minute" in said.casefold():
            wait = 60.0
        about = f"{asked['function']} of {instrument.id} got status {status}"
        raise ProviderError(
            self.name, kind, f"{about}: {said[:160]}" if said else about, retry_after=wait
        )

    def _fetch(self, instrument: Instrument, asked: dict[str, str]) -> tuple[int, str | None, Any]:
        import httpcore

        about = f"{asked['function']} of {instrument.id}"
        try:
            response = self._client.get("/query", params=asked)
        except httpcore.TimeoutException:
            raise ProviderError(self.name, Failure.TIMED_OUT, f"no answer to {about}") from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            kind = type(error).__name__
            raise ProviderError(
                self.name, Failure.UNREACHABLE, f"{about} failed with {kind}"
            ) from None
        try:
            body = response.json()
        except ValueError:  # a web page, half an object, another encoding
            body = None
        return response.status_code, response.headers.get("Retry-After"), body

    def _tomorrow(self) -> int:
        today = datetime.fromtimestamp(self._clock.now_ns() / 1e9, QUOTA_ZONE).date()
        midnight = datetime.combine(today + timedelta(days=1), time(), QUOTA_ZONE)
        return int(midnight.timestamp()) * 1_000_000_000


def _client(base_url: str, timeout: float, key: Callable[[], str], clock: Clock) -> httpx.Client:
    """Return a client that puts the key on below everything that logs, keeps or shows requests."""
    try:
        import httpx
    except ImportError as error:
        raise ConfigError(
            "Alpha Vantage needs httpx: install the extra with `pip install 'evenkeel[providers]'`"
        ) from error
    from evenkeel.market.deadline import DeadlineTransport

    transport = DeadlineTransport(
        _trusted(), clock, timeout, lambda url: url.copy_add_param("apikey", key())
    )
    return httpx.Client(base_url=base_url, transport=transport, trust_env=False)


@cache
def _trusted() -> ssl.SSLContext:
    """Return whom a client trusts: it takes longer to read than a question takes to answer."""
    import httpx

    return httpx.create_ssl_context()


# ---- what went wrong ----


def classify(said: str, *, error: bool) -> Failure:
    """Return what a text without data means. `error` marks its "Error Message".

    Order matters: the text on bursts also names the day's quota and the premium plans.
    """
    said = said.casefold()
    if re.search(r"api ?key", said) and re.search(r"invalid or missing|demo purposes", said):
        return Failure.DENIED
    if error:
        return Failure.UNKNOWN
    if re.search(r"spreading out|per minute|burst", said) and "is a premium" not in said:
        return Failure.RATE_LIMITED
    if re.search(r"premium (endpoint|feature)", said):
        return Failure.NOT_OFFERED
    if re.search(r"per day|daily (rate )?limit", said):
        return Failure.BUDGET_SPENT
    return Failure.UNREADABLE


def _by_status(status: int) -> Failure | None:
    if status == 429:
        return Failure.RATE_LIMITED
    if status in {401, 403}:
        return Failure.DENIED
    return None if status < 400 else Failure.SERVER


class _Reading:
    """While its answer is read, what cannot be read is an error of this provider's."""

    def __init__(self, provider: str, instrument: Instrument) -> None:
        self._provider, self._instrument = provider, instrument

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        wrong = (KeyError, ValueError, TypeError, InvalidOperation, AttributeError, StopIteration)
        if isinstance(error, (*wrong, ZoneInfoNotFoundError)):
            raise ProviderError(
                self._provider,
                Failure.UNREADABLE,
                f"the answer about {self._instrument.id} is not of its usual form: "
                f"{type(error).__name__}",
            ) from None


# ---- its words into ours ----


def _symbol(instrument: Instrument) -> str:
    return instrument.symbol + ENDINGS.get(instrument.mic, "")


def _unit(instrument: Instrument) -> int:
    return 100 if instrument.mic in PENCE else 1


def _cell(row: Mapping[str, str], name: str) -> float:
    return float(next(value for key, value in row.items() if key.endswith(f". {name}")))


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal() * DAY - 719_163 * DAY


def _due(text: str, instrument: Instrument) -> int:
    return due(date.fromisoformat(text), instrument.mic)


def _beginnings(texts: list[str], zone: str, interval: str, instrument: Instrument) -> Times:
    """Return when bars began. A bar stamped at its session's close is stamped at its end."""
    if interval == "1d":
        return np.array([_day(text) for text in texts], np.int64)
    local = ZoneInfo(zone)
    stamps = np.array(
        [
            int(datetime.fromisoformat(text).replace(tzinfo=local).timestamp()) * 1_000_000_000
            for text in texts
        ],
        np.int64,
    )
    if instrument.mic == NO_MARKET or not len(stamps):
        return stamps
    days = np.unique(
        [
            _day(
                datetime.fromtimestamp(int(at) / 1e9, UTC)
                .astimezone(exchange_timezone(instrument.mic))
                .date()
                .isoformat()
            )
            for at in stamps
        ]
    )
    at_end = np.isin(stamps, closing_times(days, DAY, instrument.mic)).any()
    return stamps - interval_ns(interval) if at_end else stamps
