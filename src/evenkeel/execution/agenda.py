"""When each order of a simulated venue could matter next. Early is allowed, late never.

An order waits for one of three things: the bar that could reach it, the moment at which its time is
over, or, where no bar is in sight that could, more bars: the tape of a paper run grows.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from evenkeel.domain.order import OrderType
from evenkeel.domain.tape import NEVER
from evenkeel.execution.lookahead import begun_since, first_bar_for

if TYPE_CHECKING:
    from evenkeel.domain.tape import Tape
    from evenkeel.execution.order_book import OrderBook
    from evenkeel.execution.resting import Resting

_MARKET = OrderType.MARKET


class Agenda:
    """The moments at which the orders of a book have to be looked at."""

    def __init__(self, tape: Tape, book: OrderBook) -> None:
        """Start with nothing to wait for."""
        self._tape = tape
        self._open = book.open
        self._due: list[tuple[int, int]] = []  # heap of (time, order id), stale ones passed over
        self._expiring: list[tuple[int, int]] = []
        self._blind: dict[str, tuple[int, set[int]]] = {}
        """By instrument: how many bars there were, and the orders that none of them could reach."""
        self._extensions = tape.extensions
        self.next_at = NEVER
        """Nothing is due or expires before."""

    # ---- looking ahead -----------------------------------------------------------------------

    def watch(self, order: Resting, start: int) -> None:
        """Find the first bar from `start` on that could matter to an order, and note its time."""
        times = order.line.cursor.times
        order.first = start
        if order.on_close:
            order.due, order.due_at = -1, NEVER
            return
        order.first = start = begun_since(order.line.bars, order.booked_at, start)
        due: int | None = start
        if order.type is not _MARKET:
            due = first_bar_for(order, order.line.bars, start)
        if due is not None and due < len(times):
            self.await_bar(order, due, times[due])
            return
        order.due, order.due_at = -1, NEVER
        order.seen = max(start, len(times))
        _, blind = self._blind.get(order.instrument, (0, set()))
        blind.add(order.id)
        self._blind[order.instrument] = len(times), blind

    def await_bar(self, order: Resting, index: int, at: int) -> None:
        """Note that an order meets bar `index` at a moment."""
        order.due, order.due_at = index, at
        heappush(self._due, (at, order.id))
        self.next_at = min(self.next_at, at)

    def await_end(self, order: Resting, at: int) -> None:
        """Note when an order's time is over."""
        order.expires_at = at
        heappush(self._expiring, (at, order.id))
        self.next_at = min(self.next_at, at)

    def forget(self, order: Resting) -> None:
        """Wait no longer for bars that have not come. (What is due is passed over by itself.)"""
        if order.due < 0 and order.instrument in self._blind:
            blind = self._blind[order.instrument][1]
            blind.discard(order.id)
            if not blind:
                del self._blind[order.instrument]

    def look_again(self) -> None:
        """Look at bars that have come since an order last saw none: a paper tape grows."""
        if self._extensions == self._tape.extensions:
            return
        self._extensions = self._tape.extensions
        for name, (length, blind) in list(self._blind.items()):
            if len(self._tape.bars[name].closed_at) == length:
                continue
            del self._blind[name]
            for order_id in sorted(blind):
                order = self._open[order_id]
                order.extreme = order.led
                # Of bars that come late, those that were over when it was booked do not concern it.
                over = bisect_right(order.line.cursor.times, order.booked_at)
                self.watch(order, max(order.seen, over))

    def bars_until(self, order: Resting, moment: int) -> int:
        """Return how many bars of an order's instrument closed by `moment`."""
        return int(self._tape.bars[order.instrument].closed_at.searchsorted(moment, "right"))

    # ---- what comes next ---------------------------------------------------------------------

    def next_due(self) -> int:
        """Return when the first order meets its bar, `NEVER` if none does."""
        due, book = self._due, self._open
        while due:
            at, order_id = due[0]
            order = book.get(order_id)
            if order is not None and order.due_at == at:
                return at
            heappop(due)
        return NEVER

    def next_end(self) -> int:
        """Return when the time of the first order is over, `NEVER` if none's will be."""
        expiring, book = self._expiring, self._open
        while expiring:
            at, order_id = expiring[0]
            if order_id in book:
                return at
            heappop(expiring)
        return NEVER

    def take_due(self) -> Resting:
        """Return the order of `next_due`; it waits no longer."""
        return self._open[heappop(self._due)[1]]

    def take_end(self) -> Resting:
        """Return the order of `next_end`; it waits no longer."""
        return self._open[heappop(self._expiring)[1]]

    def next_moment(self) -> int:
        """Return the first moment of the tape at which an order is due or has expired."""
        self.look_again()
        if not self._expiring:
            return self.next_at
        due, end = self.next_due(), self.next_end()
        if not self._expiring:  # what would have expired has ended before: no moment for anybody
            self.next_at = due
        return due if end >= due else min(due, self._first_bar_at(end))

    def _first_bar_at(self, moment: int) -> int:
        """Return when the first bar of any instrument closes at or after `moment`."""
        first = NEVER
        for cursor in self._tape.cursors:
            following = bisect_left(cursor.times, moment, max(cursor.index, 0))
            if following < len(cursor.times):
                first = min(first, cursor.times[following])
        return first
