"""Yahoo Finance through the real yfinance: prices divided by later splits, never as traded.

yfinance takes every failure for "possibly delisted" and keeps failed answers. So each answer is
read on the wire, before yfinance has it: a failure is raised there, and nothing failed is kept.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from evenkeel.domain.errors import ConfigError
from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.money import exact
from evenkeel.market.actions import due, split_ratio
from evenkeel.market.columns import DAY, PRICES
from evenkeel.market.fetched import fetched, missing_sessions
from evenkeel.market.manners import retry_after
from evenkeel.market.provider import (
    Adjustment,
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
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from evenkeel.domain.bar import Column
    from evenkeel.domain.events import CorporateAction
    from evenkeel.domain.instrument import Instrument
    from evenkeel.market.manners import Manners
    from evenkeel.ops.clock import Clock

SUFFIXES = {
    "XAMS": ".AS",
    "XASX": ".AX",
    "XBOM": ".BO",
    "XBRU": ".BR",
    "XBSE": ".RO",
    "XCSE": ".CO",
    "XETR": ".DE",
    "XFRA": ".F",
    "XHEL": ".HE",
    "XHKG": ".HK",
    "XJSE": ".JO",
    "XKRX": ".KS",
    "XLIS": ".LS",
    "XLON": ".L",
    "XMAD": ".MC",
    "XMIL": ".MI",
    "XNSE": ".NS",
    "XOSL": ".OL",
    "XPAR": ".PA",
    "XSES": ".SI",
    "XSHE": ".SZ",
    "XSHG": ".SS",
    "XSTO": ".ST",
    "XSWX": ".SW",
    "XTAE": ".TA",
    "XTKS": ".T",
    "XTSE": ".TO",
    "XTSX": ".V",
    "XWBO": ".VI",
}
"""What it puts behind the symbols of a market; nothing for the United States and no market."""

UNITED_STATES = frozenset(
    ("ARCX", "BATS", "EDGX", "IEXG", "XASE", "XNAS", "XNCM", "XNGS", "XNMS", "XNYS")
)

HUNDREDTHS = {"GBp": "GBP", "GBX": "GBP", "ZAc": "ZAR", "ILA": "ILS"}
"""Currencies in which it quotes hundredths of another."""

CHART = "/v8/finance/chart/"
QUOTES = "/v7/finance/quote"


class Yahoo:
    """The provider. yfinance has one session per process: one `Yahoo` at a time."""

    name = "yahoo"

    def __init__(
        self,
        manners: Manners,
        clock: Clock,
        *,
        session: Any = None,  # noqa: ANN401 - one of curl_cffi or of requests
        timeout: float = 10.0,
    ) -> None:
        """Wait at most `timeout` seconds for all that one question takes."""
        self._yf = _yfinance()
        self._yf.config.debug.hide_exceptions = False  # what goes wrong is said, not logged
        self._manners, self._clock = manners, clock
        self._session = _session() if session is None else session
        self._wire = _Wire(self._session, manners, clock, timeout)

    def close(self) -> None:
        """Let the connections go."""
        self._session.close()

    def bars(self, instrument: Instrument, interval: str, start: int, end: int) -> Answer[Fetched]:
        interval_ns(interval)
        frame, meta = self._history(instrument, interval, start, end)
        now = self._clock.now_ns()
        unit, currency = _unit(meta, instrument)
        columns: dict[str, Column] = {name: _floats(frame, name.title()) / unit for name in PRICES}
        columns["volume"] = _floats(frame, "Volume")
        began = _beginnings(frame, daily=interval == "1d")
        origin = self._origin(currency, now)
        found = fetched(instrument, interval, began, columns, start=start, end=end, origin=origin)
        lacks = missing_sessions(
            found, start=start, end=end, now=now, listed_at=_seconds(meta.get("firstTradeDate"))
        )
        return Answer(found, self._origin(currency, now, lacks))

    def actions(
        self, instrument: Instrument, start: int, end: int
    ) -> Answer[tuple[CorporateAction, ...]]:
        frame, meta = self._history(instrument, "1d", start - DAY, end)
        unit, currency = _unit(meta, instrument)
        found: list[CorporateAction] = []
        for at, amount, ratio in zip(
            frame.index, _floats(frame, "Dividends"), _floats(frame, "Stock Splits"), strict=True
        ):
            moment = due(at.date(), instrument.mic)
            if ratio > 0:
                found.append(Split(instrument.id, moment, *split_ratio(float(ratio))))
            if amount > 0:
                money = exact(float(amount)) / unit
                found.append(CashDividend(instrument.id, moment, money, currency))
        kept = tuple(each for each in found if start <= each.at < end)
        return Answer(kept, self._origin(currency, self._clock.now_ns()))

    def facts(self, instrument: Instrument) -> Answer[Facts]:
        meta = self._meta(instrument)
        facts = Facts(
            symbol=str(meta["symbol"]),
            name=str(meta.get("longName") or meta.get("shortName") or ""),
            kind=str(meta.get("instrumentType") or "").casefold(),
            exchange=str(meta.get("fullExchangeName") or ""),
            timezone=str(meta.get("exchangeTimezoneName") or ""),
            listed_at=_seconds(meta.get("firstTradeDate")),
        )
        return Answer(facts, self._origin(_unit(meta, instrument)[1], self._clock.now_ns()))

    def quote(self, instrument: Instrument) -> Answer[Quote]:
        meta = self._meta(instrument)
        unit, currency = _unit(meta, instrument)
        at = _seconds(meta.get("regularMarketTime"))
        price = meta.get("regularMarketPrice")
        if at is None or price is None:
            raise ProviderError(
                self.name, Failure.UNREADABLE, f"the answer about {instrument.id} has no price"
            )
        previous = meta.get("chartPreviousClose")
        quote = Quote(
            price=price / unit,
            at=at,
            previous_close=None if previous is None else previous / unit,
            volume=meta.get("regularMarketVolume"),
        )
        return Answer(quote, self._origin(currency, self._clock.now_ns()))

    def quotes(self, instruments: Sequence[Instrument]) -> dict[str, Answer[Quote]]:
        by_symbol = {_symbol(each): each for each in instruments}
        said = self._manners.ask(lambda: self._many(list(by_symbol)), f"{len(by_symbol)} quotes")
        now = self._clock.now_ns()
        found = {}
        for row in said:
            instrument = by_symbol.get(str(row.get("symbol")))
            price, at = row.get("regularMarketPrice"), _seconds(row.get("regularMarketTime"))
            if instrument is None or price is None or at is None:
                continue
            unit, currency = _unit(row, instrument)
            previous = row.get("regularMarketPreviousClose")
            quote = Quote(
                price=price / unit,
                at=at,
                previous_close=None if previous is None else previous / unit,
                volume=row.get("regularMarketVolume"),
            )
            found[instrument.id] = Answer(quote, self._origin(currency, now))
        return found

    def _many(self, symbols: list[str]) -> list[Mapping[str, Any]]:
        from yfinance.data import YfData
        from yfinance.exceptions import YFException

        self._wire.begin(f"{len(symbols)} instruments")
        try:
            said = YfData(session=self._session).get_raw_json(
                f"https://query1.finance.yahoo.com{QUOTES}", params={"symbols": ",".join(symbols)}
            )
            return list(said["quoteResponse"]["result"])
        except (YFException, OSError, LookupError, TypeError, ValueError) as error:
            raise self._wire.explain(error) from error

    def _origin(self, currency: str, now: int, lacks: str = "") -> Origin:
        return Origin(
            source=self.name,
            fetched_at=now,
            currency=currency,
            adjustment=Adjustment.SPLIT,
            lacks=lacks,
        )

    # ---- one question ----

    def _meta(self, instrument: Instrument) -> Mapping[str, Any]:
        """Return what comes along with the prices of the last days."""
        now = self._clock.now_ns()
        return self._history(instrument, "1d", now - 7 * DAY, now + DAY)[1]

    def _history(
        self, instrument: Instrument, interval: str, start: int, end: int
    ) -> tuple[pd.DataFrame, Mapping[str, Any]]:
        """Return yfinance's frame, and what Yahoo says about the instrument beside it."""
        if interval == "1d":  # whole days of the exchange: a session may begin the UTC day before
            span = [str(np.datetime64(at, "ns").astype("datetime64[D]")) for at in (start, end)]
            span[1] = str(np.datetime64(end - 1, "ns").astype("datetime64[D]") + 1)
        else:
            span = [datetime.fromtimestamp(at / 1e9, UTC) for at in (start, end)]  # type: ignore[misc]
        what = f"{interval} bars of {instrument.id}"
        return self._manners.ask(lambda: self._once(instrument, interval, span), what)

    def _once(
        self, instrument: Instrument, interval: str, span: list[Any]
    ) -> tuple[pd.DataFrame, Mapping[str, Any]]:
        from yfinance.data import YfData
        from yfinance.exceptions import YFException

        ticker = self._yf.Ticker(_symbol(instrument), session=self._session)
        YfData().cache_get.cache_clear()  # it keeps answers for ever, failed ones too
        self._wire.begin(instrument.id)
        try:
            frame = ticker.history(
                start=span[0],
                end=span[1],
                interval=interval,
                auto_adjust=False,
                actions=True,
                prepost=False,
            )
        except (YFException, OSError, LookupError, TypeError, ValueError, AttributeError) as error:
            if self._wire.nothing_there:
                return _no_rows(), self._wire.meta
            raise self._wire.explain(error) from error
        return frame, self._wire.meta


class _Wire:
    """Stands between yfinance and the network: counts, limits and judges every answer.

    What it knows of a question belongs to the thread that asks it.
    """

    def __init__(self, session: Any, manners: Manners, clock: Clock, timeout: float) -> None:  # noqa: ANN401
        self._send: Callable[..., Any] = session.request
        session.request = self._request
        self._manners, self._clock, self._timeout = manners, clock, timeout
        self._mine = threading.local()

    def begin(self, about: str) -> None:
        """Begin a question of this thread: the time for all of it starts to run."""
        mine = self._mine
        mine.about, mine.status, mine.meta, mine.nothing_there = about, 0, {}, False
        mine.deadline = self._clock.monotonic_ns() + int(self._timeout * 1e9)

    @property
    def meta(self) -> Mapping[str, Any]:
        """What the last chart said about its instrument."""
        found: Mapping[str, Any] = self._mine.meta
        return found

    @property
    def nothing_there(self) -> bool:
        """Whether Yahoo itself has said that there is nothing in the time asked for."""
        return bool(self._mine.nothing_there)

    def explain(self, error: Exception) -> ProviderError:
        """Return what it means that yfinance could not use answers that came in whole."""
        mine = self._mine
        if mine.status in {401, 403}:
            return self._failure(Failure.DENIED, f"status {mine.status}")
        return self._failure(Failure.UNREADABLE, f"yfinance gave up with {type(error).__name__}")

    def _failure(self, kind: Failure, said: str, wait: float | None = None) -> ProviderError:
        about = f"{self._mine.about}: {said}"
        return ProviderError(Yahoo.name, kind, about, retry_after=wait)

    def _request(self, method: str, url: str, **options: Any) -> Any:  # noqa: ANN401
        self._manners.spend()
        left = (self._mine.deadline - self._clock.monotonic_ns()) / 1e9
        if left <= 0:
            raise self._failure(Failure.TIMED_OUT, f"no answer within {self._timeout:g} s")
        options["timeout"] = min(options.get("timeout") or left, left)
        try:
            response = self._send(method, url, **options)
        except OSError as error:
            if CHART not in url and QUOTES not in url:
                raise  # a cookie or crumb: yfinance goes on without
            name = type(error).__name__
            kind = Failure.TIMED_OUT if "Timeout" in name else Failure.UNREACHABLE
            raise self._failure(kind, name) from None
        if CHART in url:
            self._judge(response)
        elif QUOTES in url:
            self._judge_status(response)
        return response

    def _judge_status(self, response: Any) -> int:  # noqa: ANN401
        """Return the status of an answer that is not an error of the server."""
        status: int = response.status_code
        self._mine.status = status
        if status == 429:
            wait = retry_after(response.headers.get("Retry-After"), self._clock.now_ns())
            raise self._failure(Failure.RATE_LIMITED, "status 429", wait)
        if status >= 500:
            raise self._failure(Failure.SERVER, f"status {status}")
        return status

    def _judge(self, response: Any) -> None:  # noqa: ANN401 - one of curl_cffi or of requests
        """Raise what a chart's answer means, unless it is data or a question of cookies."""
        status = self._judge_status(response)
        if status in {401, 403}:
            return  # yfinance fetches another cookie and asks again
        try:
            chart = response.json()["chart"]
            wrong, results = chart["error"], chart["result"] or [{}]
            self._mine.meta = dict(results[0].get("meta") or {})
        except (ValueError, LookupError, TypeError, AttributeError):
            raise self._failure(Failure.UNREADABLE, f"status {status} without a chart") from None
        if wrong:
            said = str(wrong.get("description"))
            unknown = status == 404 or wrong.get("code") == "Not Found"
            if "Data doesn't exist for" not in said:
                if unknown:  # its own words guess at a delisting
                    raise self._failure(Failure.UNKNOWN, "Yahoo has no such symbol")
                raise self._failure(Failure.NOT_OFFERED, said)
            self._mine.nothing_there = True
        elif status >= 400 or not self._mine.meta:
            raise self._failure(Failure.UNREADABLE, f"status {status} without a chart")
        elif not results[0].get("timestamp"):
            self._mine.nothing_there = True


def _yfinance() -> Any:  # noqa: ANN401 - it carries no types
    try:
        import yfinance
    except ImportError as error:
        raise ConfigError(
            "Yahoo needs yfinance: install the extra with `pip install 'evenkeel[providers]'`"
        ) from error
    return yfinance


def _session() -> Any:  # noqa: ANN401 - it carries no types
    from curl_cffi import requests  # yfinance brings it

    return requests.Session(impersonate="chrome")


# ---- its words into ours ----


def _symbol(instrument: Instrument) -> str:
    symbol = instrument.symbol
    if instrument.mic in UNITED_STATES:
        return symbol.replace(".", "-")  # BRK.B is BRK-B there
    return symbol + SUFFIXES.get(instrument.mic, "")


def _unit(meta: Mapping[str, Any], instrument: Instrument) -> tuple[int, str]:
    """Return by what its numbers are to be divided, and the currency that they are in then."""
    currency = str(meta.get("currency") or instrument.currency)
    if currency in HUNDREDTHS:
        return 100, HUNDREDTHS[currency]
    return 1, currency.upper()


def _seconds(at: Any) -> int | None:  # noqa: ANN401 - a number of JSON
    return int(at) * 1_000_000_000 if isinstance(at, int | float) else None


def _floats(frame: pd.DataFrame, name: str) -> Column:
    return np.asarray(frame[name], np.float64)


def _beginnings(frame: pd.DataFrame, *, daily: bool) -> Any:  # noqa: ANN401 - Times
    if daily:
        return np.array([(at.date().toordinal() - 719_163) * DAY for at in frame.index], np.int64)
    import pandas as pd

    return np.asarray(pd.DatetimeIndex(frame.index).tz_convert("UTC").as_unit("ns").asi8)


def _no_rows() -> pd.DataFrame:
    import pandas as pd

    columns = [*(name.title() for name in PRICES), "Volume", "Dividends", "Stock Splits"]
    return pd.DataFrame(columns=columns, index=pd.DatetimeIndex([], tz="UTC"), dtype=float)
