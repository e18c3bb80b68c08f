"""The small market that every provider of the contract suite serves, and its true numbers.

ACME on Nasdaq: every session of January 2024 but one, a dividend, a 2:1 split, and a last day that
is still under way. A provider may tell it as traded or on today's scale, if it says which.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from evenkeel.domain.instrument import Instrument

DAY = 86_400_000_000_000
ACME = Instrument("ACME.XNAS")
NOBODY = Instrument("NOBODY.XNAS")

HOLIDAY, HOLE, UNDER_WAY = "2024-01-15", "2024-01-24", "2024-01-31"
EX_DIVIDEND, DIVIDEND = "2024-01-10", 0.5
EX_SPLIT, SPLIT = "2024-01-18", 2


def ns(text: str) -> int:
    """A time in UTC, such as `2024-01-31T15:00`, in nanoseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


NOW = ns("2024-01-31T15:00")
"""Wednesday, half an hour after the bell in New York."""


@dataclass(frozen=True)
class Row:
    """One session of ACME, as traded."""

    date: str
    open: float
    high: float
    low: float
    close: float
    volume: float

    def on_todays_scale(self) -> "Row":
        """The same session with prices divided, and volume multiplied, by later splits."""
        by = SPLIT if self.date < EX_SPLIT else 1
        prices = (self.open / by, self.high / by, self.low / by, self.close / by)
        return Row(self.date, *prices, self.volume * by)


def _row(day: int) -> Row:
    price = (100 + day) / (1 if day < 18 else SPLIT)
    return Row(f"2024-01-{day:02}", price, price + 2, price - 1, price + 0.5, 1000.0 * day)


ROWS = [
    _row(day)
    for day in range(2, 32)
    if f"2024-01-{day:02}" not in {HOLIDAY, HOLE} and datetime(2024, 1, day).weekday() < 5
]
"""Every row that a source has; the last one is not finished at `NOW`."""

DONE = ROWS[:-1]
