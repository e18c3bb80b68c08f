"""Alpha Vantage as a stand-in: it serves the world of the provider contract, in its own words."""

from tests.contracts.provider_world import ACME, DIVIDEND, EX_DIVIDEND, EX_SPLIT, ROWS, SPLIT
from tests.fakes.loopback import Asked, Reply

KEY = "K3Y-THAT-NOBODY-SEES"

QUOTA = (
    f"We have detected your API key as {KEY} and our standard API rate limit is 25 requests per "
    "day. Please subscribe to any of the premium plans to instantly remove all daily rate limits."
)
BURST = (
    "Thank you for using Alpha Vantage! Please consider spreading out your free API requests more "
    "sparingly (1 request per second). You may subscribe to any of the premium plans to lift the "
    "free key rate limit (25 requests per day), raise the per-second burst limit, and instantly "
    "unlock all premium endpoints"
)
PREMIUM = (
    "Thank you for using Alpha Vantage! The outputsize=full parameter value is a premium feature "
    "for the TIME_SERIES_DAILY endpoint. You may subscribe to any of the premium plans to "
    "instantly unlock all premium features"
)
WRONG = (
    "Invalid API call. Please retry or visit the documentation (https://www.alphavantage.co/"
    "documentation/) for TIME_SERIES_DAILY."
)


def alpha_vantage(asked: Asked) -> Reply:
    """Answer one request about ACME, or say in its manner that there is no such symbol."""
    symbol = asked.query.get("symbol") or asked.query.get("keywords")
    function = asked.query["function"]
    known = symbol == ACME.symbol
    match function:
        case "TIME_SERIES_DAILY" if known:
            return Reply(_daily())
        case "GLOBAL_QUOTE":
            return Reply({"Global Quote": _quote() if known else {}})
        case "SYMBOL_SEARCH":
            return Reply({"bestMatches": [_match("ACMEX"), _match("ACME")] if known else []})
        case "SPLITS" if known:
            row = {"effective_date": EX_SPLIT, "split_factor": f"{SPLIT}.0000"}
            return Reply({"symbol": symbol, "data": [row]})
        case "DIVIDENDS" if known:
            row = {"ex_dividend_date": EX_DIVIDEND, "amount": str(DIVIDEND)}
            return Reply({"symbol": symbol, "data": [row]})
    return Reply({"Error Message": WRONG})


def _daily() -> dict[str, object]:
    return {
        "Meta Data": {
            "1. Information": "Daily Prices (open, high, low, close) and Volumes",
            "2. Symbol": ACME.symbol,
            "5. Time Zone": "US/Eastern",
        },
        "Time Series (Daily)": {
            row.date: {
                "1. open": f"{row.open:.4f}",
                "2. high": f"{row.high:.4f}",
                "3. low": f"{row.low:.4f}",
                "4. close": f"{row.close:.4f}",
                "5. volume": f"{row.volume:.0f}",
            }
            for row in reversed(ROWS)  # newest first
        },
    }


def _quote() -> dict[str, str]:
    return {
        "01. symbol": ACME.symbol,
        "05. price": f"{ROWS[-2].close:.4f}",
        "06. volume": f"{ROWS[-2].volume:.0f}",
        "07. latest trading day": ROWS[-2].date,
        "08. previous close": f"{ROWS[-3].close:.4f}",
    }


def _match(symbol: str) -> dict[str, str]:
    return {
        "1. symbol": symbol,
        "2. name": f"{symbol} Anvils Inc",
        "3. type": "Equity",
        "4. region": "United States",
        "8. currency": "USD",
    }
