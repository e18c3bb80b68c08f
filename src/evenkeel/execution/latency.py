"""A venue that is some bars away: whatever is asked of it reaches it late.

What is sent when a bar closes arrives when the n-th bar of its instrument after that one does, when
the venue has carried out what that bar brings; or before, when something happens to the instrument:
the venue restates, renames or ends what is under way as it does what has arrived. A new order meets
no earlier bar for that; a replacement meets those of the order whose place it takes. Until then the
venue knows nothing of it: an order is not accepted, an order that is to be canceled or replaced works
on and may fill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from evenkeel.domain.events import OrderRejected
from evenkeel.domain.instrument_events import (
    Delisted,
    Merged,
    Split,
    SpunOff,
    StockDividend,
    SymbolChanged,
)
from evenkeel.domain.tape import NEVER

if TYPE_CHECKING:
    from evenkeel.domain.events import VenueEvent
    from evenkeel.domain.instrument_events import InstrumentEvent
    from evenkeel.domain.tape import Line
    from evenkeel.domain.verdict import Approved
    from evenkeel.execution.simulated import SimulatedBroker


_CHANGES = (Delisted, Merged, Split, SpunOff, StockDividend, SymbolChanged)


class _Request(NamedTuple):
    """An order, or the number of one to cancel, that arrives with bar `bar` of its instrument."""

    line: Line
    bar: int
    asked: Approved | int

    @property
    def arrives_at(self) -> int:
        """When it arrives, `NEVER` while that bar is not there."""
        times = self.line.cursor.times
        return times[self.bar] if self.bar < len(times) else NEVER


class FarVenue:
    """A simulated venue, and what is under way to it."""

    def __init__(self, venue: SimulatedBroker, bars_away: int) -> None:
        """Stand `bars_away` bars away from a venue."""
        self.tape = venue.tape
        self._venue = venue
        self._bars_away = bars_away
        self._under_way: list[_Request] = []
        self._lines: dict[int, Line] = {}  # by the number of the order that was sent
        self._too_late: list[VenueEvent] = []

    # ---- the port ----------------------------------------------------------------------------

    def submit(self, approved: Approved) -> None:
        line = self.tape.lines.get(approved.order.instrument)
        if line is None:
            self._venue.submit(approved)
            return
        self._lines[approved.order.id] = line
        self._send(line, approved)

    def cancel(self, order_id: int) -> None:
        if order_id in self._lines:
            self._send(self._lines[order_id], order_id)
        else:
            self._venue.cancel(order_id)

    def corporate_action(self, action: InstrumentEvent) -> None:
        if isinstance(action, _CHANGES):
            own = [each for each in self._under_way if _is_of(each, action.instrument)]
            self._venue.receive(self._arriving(own), action.at)
        self._venue.corporate_action(action)
        line = self.tape.lines.get(action.to) if isinstance(action, SymbolChanged) else None
        if line is not None:
            for order_id, old in self._lines.items():
                if old.bars.instrument.id == action.instrument:
                    self._lines[order_id] = line

    def events(self) -> list[VenueEvent]:
        said = self._venue.events()
        here = [each for each in self._under_way if each.line.cursor.index >= each.bar]
        here.sort(key=lambda each: each.arrives_at)
        self._venue.receive(self._arriving(here), self.tape.now)
        late, self._too_late = self._too_late, []
        return said + late + (self._venue.events() if here else [])

    def next_event_at(self) -> int:
        """As `SimulatedBroker.next_event_at`; an arrival is an event."""
        arrivals = (each.arrives_at for each in self._under_way)
        return min(self._venue.next_event_at(), *arrivals, NEVER)

    # ---- the way -----------------------------------------------------------------------------

    def _send(self, line: Line, asked: Approved | int) -> None:
        self._under_way.append(_Request(line, line.cursor.index + self._bars_away, asked))

    def _arriving(self, requests: list[_Request]) -> list[Approved | int]:
        """Return what these ask for; they are under way no longer. One that is too late ends here."""
        self._under_way = [each for each in self._under_way if each not in requests]
        arriving = []
        for _, _, asked in requests:
            ends = None if isinstance(asked, int) else asked.order.expires_at
            if isinstance(asked, int) or ends is None or ends > self.tape.now:
                arriving.append(asked)
            else:
                reason = "its time was over when it arrived"
                self._too_late.append(OrderRejected(asked.order.id, self.tape.now, reason))
        return arriving


def _is_of(request: _Request, instrument: str) -> bool:
    return request.line.bars.instrument.id == instrument


def at_distance(venue: SimulatedBroker, bars_away: int) -> SimulatedBroker | FarVenue:
    """Return a venue as it looks from `bars_away` bars away."""
    return FarVenue(venue, bars_away) if bars_away else venue
