"""What US authorities take from each trade, by its day. Facts as tables, each with its last day.

    SEC       section 31 of the Securities Exchange Act: a share of the money of each sale
    TAF       FINRA's Trading Activity Fee: so much a share sold, with a most for each trade
    CAT       Consolidated Audit Trail: so much a share, bought or sold

A day outside a table has no rate, and nobody makes one up: `rates` and `check` refuse it. To go on
past the last day, add the row that the authority has published and move `KNOWN_UNTIL`.

Days are those of New York. All year they end here at 05:00 UTC, which is midnight in winter; in
summer it is one in the morning, when nothing trades.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from evenkeel.domain.errors import UsageError
from evenkeel.domain.instrument import NO_MARKET, Instrument

SEC: tuple[tuple[str, str], ...] = (
    # Dollars a million of sales. Until 2001 the law itself named the rate (1/500 of 1 %, from 1976
    # on 1/300), until 1996 for shares on an exchange only: what traded over the counter is charged
    # it here too. From 2002 on: the SEC's fee rate advisories.
    ("1934-10-01", "20.00"),
    ("1976-01-01", "33.30"),
    ("2001-12-28", "15.00"),
    ("2002-04-01", "30.10"),
    ("2003-03-22", "25.20"),
    ("2003-04-01", "46.80"),
    ("2004-02-22", "39.00"),
    ("2004-04-01", "23.40"),
    ("2005-01-07", "32.90"),
    ("2005-04-01", "41.80"),
    ("2005-12-22", "30.70"),
    ("2007-03-17", "15.30"),
    ("2008-01-25", "11.00"),
    ("2008-04-01", "5.60"),
    ("2009-04-10", "25.70"),
    ("2010-01-15", "12.70"),
    ("2010-04-01", "16.90"),
    ("2011-01-21", "19.20"),
    ("2012-02-21", "18.00"),
    ("2012-04-01", "22.40"),
    ("2013-05-25", "17.40"),
    ("2014-03-18", "22.10"),
    ("2015-02-14", "18.40"),
    ("2016-02-16", "21.80"),
    ("2017-07-04", "23.10"),
    ("2018-05-22", "13.00"),
    ("2019-04-16", "20.70"),
    ("2020-02-18", "22.10"),
    ("2021-02-25", "5.10"),
    ("2022-05-14", "22.90"),
    ("2023-02-27", "8.00"),
    ("2024-05-22", "27.80"),
    ("2025-05-14", "0.00"),
    ("2026-04-04", "20.60"),
)

TAF: tuple[tuple[str, str, str], ...] = (
    # FINRA By-Laws, Schedule A, section 1: dollars a share sold, and the most for one trade. For
    # some months before 2003-09 the rate was lower; the rate of October 2002 stands for them.
    ("1934-10-01", "0", "0"),
    ("2002-10-01", "0.0001", "10"),
    ("2004-11-01", "0.000075", "3.75"),
    ("2011-07-01", "0.000090", "4.50"),
    ("2012-03-01", "0.000095", "4.75"),
    ("2012-07-01", "0.000119", "5.95"),
    ("2022-01-01", "0.000130", "6.49"),
    ("2023-01-01", "0.000145", "7.27"),
    ("2024-01-01", "0.000166", "8.30"),
    ("2026-01-01", "0.000195", "9.79"),
    ("2026-10-01", "0", "0"),  # SR-FINRA-2026-021: not charged until the end of the year
    ("2027-01-01", "0.000232", "11.61"),
    ("2028-01-01", "0.000240", "12.05"),
)

CAT: tuple[tuple[str, str], ...] = (
    # Dollars a share of a listed stock: CAT Fee 2024-1, 2025-1, 2025-2 and 2026-1, with Historical
    # CAT Assessment 1 (0.000013) from October 2024 to April 2026.
    ("1934-10-01", "0"),
    ("2024-09-01", "0.000035"),
    ("2024-10-01", "0.000048"),
    ("2025-01-01", "0.000035"),
    ("2025-07-01", "0.000022"),
    ("2026-05-01", "0.000003"),
)

KNOWN_SINCE = "1934-10-01"
KNOWN_UNTIL = {
    # The SEC's next rate takes effect 60 days after its budget of 2027 is law, which had not
    # happened in late November 2026.
    "SEC": "2027-01-20",
    "TAF": "2028-12-31",
    "CAT": "2026-12-31",
}

US_MARKETS = frozenset(
    (
        *("XNYS", "XNAS", "XASE", "ARCX", "XCHI", "XCIS", "XPHL", "XBOS"),
        *("BATS", "BATY", "EDGA", "EDGX", "IEXG", "MEMX", "EPRL", "LTSE"),
        *("XNMS", "XNCM", "XNGS", "AMXO", "OTCM", "PINX", "OOTC"),
    )
)
"""Where US shares are listed or traded (ISO 10383)."""

_SEC_MOST = max(float(rate) for _, rate in SEC) / 1e6
_TAF_MOST = max(float(rate) for _, rate, _ in TAF)
_CAT_MOST = max(float(rate) for _, rate in CAT)

_DAY = 86_400 * 10**9
_MIDNIGHT = 5 * 3_600 * 10**9
_MILLION = Decimal(1_000_000)


class Rates(NamedTuple):
    """The rates of a stretch of days: from `since` up to but not at `until`, in UTC nanoseconds.

    `sec` is a share of the money sold, `taf` and `cat` are dollars a share, `taf_most` is the
    most TAF for one trade.
    """

    since: int
    until: int
    sec: Decimal
    taf: Decimal
    taf_most: Decimal
    cat: Decimal


def in_the_us(instrument: Instrument) -> bool:
    """Whether an instrument is a US share as far as its id says; one of no market in USD is."""
    mic = instrument.mic
    return instrument.currency == "USD" and (mic in US_MARKETS or mic == NO_MARKET)


def check(first_at: int, last_at: int) -> None:
    """Raise `UsageError` unless every day from `first_at` to `last_at` has its rates."""
    for moment in (first_at, last_at):
        rates(moment)


def rates(at: int) -> Rates:
    """Return the rates in force at a moment. Raises `UsageError` for a day outside the tables."""
    table = _table()
    place = bisect_right(table, at, key=lambda row: row.since) - 1
    if place >= 0 and at < table[place].until:
        return table[place]
    day = date.fromordinal((at - _MIDNIGHT) // _DAY + _EPOCH).isoformat()
    if day < KNOWN_SINCE:
        raise UsageError(
            f"US trading fees of {day} are not known: the tables of this version begin on "
            f"{KNOWN_SINCE}; choose costs without them, such as bps:10 or per-share:0.005"
        )
    fee = min(KNOWN_UNTIL, key=KNOWN_UNTIL.__getitem__)
    raise UsageError(
        f"the {fee} fee of {day} is not known: this version has it until {KNOWN_UNTIL[fee]}; add "
        "the new rate to execution/costs/us_fees.py, or choose costs without fees, such as bps:10"
    )


_EPOCH = date(1970, 1, 1).toordinal()


def _begins(day: str) -> int:
    """Return when a day of New York begins, in UTC nanoseconds."""
    return (date.fromisoformat(day).toordinal() - _EPOCH) * _DAY + _MIDNIGHT


@cache
def _table() -> list[Rates]:
    """Lay the three tables over each other: one row for each stretch in which nothing changes."""
    days = sorted({row[0] for row in (*SEC, *TAF, *CAT)} | {min(KNOWN_UNTIL.values())})
    last = _begins(min(KNOWN_UNTIL.values())) + _DAY
    edges = [_begins(day) for day in days if _begins(day) < last]
    rows = []
    for day, since, until in zip(days, edges, [*edges[1:], last], strict=False):
        taf = _in_force(TAF, day)
        rows.append(
            Rates(
                since=since,
                until=until,
                sec=Decimal(_in_force(SEC, day)[1]) / _MILLION,
                taf=Decimal(taf[1]),
                taf_most=Decimal(taf[2]),
                cat=Decimal(_in_force(CAT, day)[1]),
            )
        )
    return rows


def _in_force(table: tuple[tuple[str, ...], ...], day: str) -> tuple[str, ...]:
    return max(row for row in table if row[0] <= day)


def at_most(quantity: float, value: float) -> float:
    """Return what all of them took of a trade on the dearest day, in doubles."""
    return value * _SEC_MOST + quantity * (_TAF_MOST + _CAT_MOST)
