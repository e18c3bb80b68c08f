"""The port to a venue. A broker takes `Approved` and nothing else, and only the gate makes one."""

from __future__ import annotations

from typing import Protocol

from evenkeel.domain.events import VenueEvent
from evenkeel.domain.instrument_events import InstrumentEvent
from evenkeel.domain.verdict import Approved


class Broker(Protocol):
    """Somebody who works orders: the simulation, or a venue behind a wire.

    A request is not an outcome. What became of it is said by `events`, and only there.
    """

    def submit(self, approved: Approved) -> None:
        """Send an order; one with `order.replaces` takes the place of that order."""
        ...

    def cancel(self, order_id: int) -> None:
        """Ask for an order to be taken off the market. It may fill until the venue confirms."""
        ...

    def corporate_action(self, action: InstrumentEvent) -> None:
        """Let the venue's own books follow what happened to an instrument: a split, a halt.

        A live venue does nothing here: it knows.

        Bars closed at `action.at` or before are in old shares, later ones in new: it comes before
        those are matched.
        """
        ...

    def events(self) -> list[VenueEvent]:
        """Return everything the venue has to say up to the tape's now, in order, each once."""
        ...
