"""How many orders have been approved of late: counted along the way, and never too few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.execution.financing import DAY

if TYPE_CHECKING:
    from evenkeel.engine.orders import Orders

SECOND = 10**9


class Pace:
    """Counts of approvals within `second`, on the UTC `day`, and at this `moment`.

    `second` may count some that are longer ago, where orders follow one another faster than that.
    """

    __slots__ = ("_now", "_sent_at", "_tomorrow", "day", "moment", "second")

    def __init__(self) -> None:
        """Count nothing yet."""
        self.second = self.day = self.moment = 0
        self._now = self._sent_at = self._tomorrow = -1

    def begin(self, orders: Orders, now: int) -> None:
        """Take over what was approved by now."""
        midnight = now - now % DAY
        self.second, self.moment = orders.approved_since(now - SECOND + 1), 0
        self.day, self._tomorrow = orders.approved_since(midnight), midnight + DAY
        self._now = self._sent_at = now

    def turn(self, now: int) -> None:
        """Come to a later moment."""
        self._now, self.moment = now, 0
        if now - self._sent_at >= SECOND:
            self.second = 0
        if now >= self._tomorrow:
            self.day, self._tomorrow = 0, now - now % DAY + DAY

    def count(self) -> None:
        """Count an approval."""
        self.second, self.day, self.moment = self.second + 1, self.day + 1, self.moment + 1
        self._sent_at = self._now
