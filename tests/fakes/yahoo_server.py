"""Yahoo as a stand-in for the real yfinance: cookies, crumb, time zone and charts of ACME."""

from typing import Any

from tests.contracts.provider_world import (
    ACME,
    DIVIDEND,
    EX_DIVIDEND,
    EX_SPLIT,
    NOW,
    ROWS,
    SPLIT,
    UNDER_WAY,
    ns,
)
from tests.fakes.loopback import Asked, Reply

NOT_FOUND = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
OPENS = 52_200
"""Seconds after midnight UTC at which New York opens in winter: 14:30."""


def yahoo(asked: Asked) -> Reply:
    """Answer one request as Yahoo does."""
    match asked.path:
        case "/v1/test/getcrumb":
            return Reply("a-crumb", headers={"Content-Type": "text/plain"})
        case path if path.startswith("/v8/finance/chart/"):
            symbol = path.rpartition("/")[2]
            if symbol != ACME.symbol:
                return Reply({"chart": {"result": None, "error": NOT_FOUND}}, 404)
            return Reply({"chart": {"result": [chart(asked.query)], "error": None}})
        case "/v7/finance/quote":
            known = [name for name in asked.query["symbols"].split(",") if name == ACME.symbol]
            return Reply({"quoteResponse": {"result": [_quote(name) for name in known]}})
    return Reply(
        "", headers={"Set-Cookie": "A3=cookie; Domain=.yahoo.com; Path=/; Max-Age=31536000"}
    )


def chart(query: dict[str, str]) -> dict[str, Any]:
    """The part of the world that a question asks for, on today's scale."""
    start, end = (int(query.get(name, 0)) for name in ("period1", "period2"))
    rows = [
        (_at(row.date), row.on_todays_scale())
        for row in ROWS
        if not start or start <= _at(row.date) < end
    ]
    found: dict[str, Any] = {"meta": meta(), "indicators": {"quote": [{}], "adjclose": [{}]}}
    if rows:
        names = ("open", "high", "low", "close", "volume")
        columns = {name: [getattr(row, name) for _, row in rows] for name in names}
        found["timestamp"] = [at for at, _ in rows]
        found["indicators"] = {
            "quote": [columns],
            "adjclose": [{"adjclose": columns["close"]}],
        }
    paid, split = _at(EX_DIVIDEND), _at(EX_SPLIT)
    events: dict[str, Any] = {}
    if start <= paid < end:
        events["dividends"] = {str(paid): {"amount": DIVIDEND / SPLIT, "date": paid}}
    if start <= split < end:
        ratio = {"numerator": SPLIT, "denominator": 1, "splitRatio": f"{SPLIT}:1"}
        events["splits"] = {str(split): {"date": split, **ratio}}
    return {**found, "events": events} if events else found


def _quote(symbol: str) -> dict[str, Any]:
    said = meta()
    names = ("currency", "regularMarketTime", "regularMarketPrice", "regularMarketVolume")
    previous = {"regularMarketPreviousClose": said["chartPreviousClose"]}
    return {"symbol": symbol, **{name: said[name] for name in names}, **previous}


def meta() -> dict[str, Any]:
    day = ns("2024-01-31") // 1_000_000_000
    session = {"timezone": "EST", "gmtoffset": -18_000}
    regular = {**session, "start": day + OPENS, "end": day + OPENS + 23_400}
    return {
        "currency": "USD",
        "symbol": ACME.symbol,
        "fullExchangeName": "NasdaqGS",
        "instrumentType": "EQUITY",
        "longName": "ACME Anvils Inc",
        "firstTradeDate": _at("2020-01-02"),
        "regularMarketTime": NOW // 1_000_000_000,
        "regularMarketPrice": ROWS[-1].close,
        "regularMarketVolume": 31_000,
        "chartPreviousClose": ROWS[-2].close,
        "exchangeTimezoneName": "America/New_York",
        "currentTradingPeriod": {"pre": regular, "regular": regular, "post": regular},
        "dataGranularity": "1d",
        "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
    }


def _at(date: str) -> int:
    """When a session's bar is stamped: its opening, or now for the one under way."""
    if date == UNDER_WAY:
        return NOW // 1_000_000_000
    return ns(date) // 1_000_000_000 + OPENS


def minutes(day: str, count: int, *, price: float = 100.0) -> dict[str, Any]:
    """A chart of one-minute bars from the opening bell of a day in winter."""
    first = ns(day) // 1_000_000_000 + OPENS
    closes = [price + minute / 10 for minute in range(count)]
    regular = {"start": first, "end": first + 23_400, "timezone": "EST", "gmtoffset": -18_000}
    return {
        "meta": {**meta(), "dataGranularity": "1m", "tradingPeriods": [[regular]]},
        "timestamp": [first + 60 * minute for minute in range(count)],
        "indicators": {
            "quote": [
                {
                    "open": closes,
                    "high": [close + 0.05 for close in closes],
                    "low": [close - 0.05 for close in closes],
                    "close": closes,
                    "volume": [1_000] * count,
                }
            ]
        },
    }
