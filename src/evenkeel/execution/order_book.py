"""The orders that a simulated venue works, and who of them hangs together with whom.

    parent    whose complete fill brings an order to life; until then it sleeps
    group     of which only one can fill: what one fills, the others can no more
    place     a replacement stands where the replaced order stood, for parents, children and groups

Nothing here knows of prices or of time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.execution.resting import NO_MORE, Resting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal


class OrderBook:
    """Orders by number: those that are open, and what those that have ended filled."""

    def __init__(self) -> None:
        """Open with none."""
        self.open: dict[int, Resting] = {}
        self.ended: dict[int, Decimal | None] = {}
        """What it filled, None for all of it."""
        self._replaced_by: dict[int, int] = {}
        self._children: dict[int, list[int]] = {}
        self._groups: dict[int, list[int]] = {}

    def add(self, order: Resting) -> None:
        """Put an order on the book, into the group that it names or that it inherited."""
        self.open[order.id] = order
        if order.group is None:
            order.group = order.order.oca_group
        if order.group is not None:
            self._groups.setdefault(order.group, []).append(order.id)

    def remove(self, order: Resting, filled: Decimal | None) -> None:
        """Take an order off the book; `filled` is None when that was all of it."""
        del self.open[order.id]
        self.ended[order.id] = filled
        if order.group is not None:
            legs = self._groups[order.group]
            legs.remove(order.id)
            if not legs:
                del self._groups[order.group]

    def take_place(self, old: Resting, new: Resting) -> None:
        """Let an order stand where another stood, which leaves the book; `add` it then."""
        new.carried, new.parts = old.brought, old.parts
        for at, quantity, why in old.parts:
            if at > new.order.created_at:  # who sent it did not know of that yet
                new.take_off(quantity, why)
        new.group, new.parent = old.group, old.parent
        if old.cut == NO_MORE:
            new.cut_to(old.remaining)
        new.shrunk = old.shrunk or new.remaining < old.remaining
        if new.parent is not None:
            self._children[new.parent].append(new.id)
        if old.id in self._children:
            children = self._children[new.id] = self._children.pop(old.id)
            for child in children:
                if child in self.open:
                    self.open[child].parent = new.id
        self._replaced_by[old.id] = new.id
        self.remove(old, old.done)

    def adopt(self, child: Resting, parent: int) -> bool:
        """Let an order sleep under its parent, or live on what that has filled; False: unknown.

        `child.remaining` is 0 when its parent has ended without a fill.
        """
        while parent in self._replaced_by:
            parent = self._replaced_by[parent]
        if parent in self.open:
            child.parent = parent
            self._children.setdefault(parent, []).append(child.id)
        elif parent not in self.ended:
            return False
        filled = self.ended.get(parent)
        if filled is not None:
            child.cut_to(filled)
        return True

    def release(self, parent: Resting) -> list[Resting]:
        """Return the orders that sleep under one, oldest first; they do so no longer."""
        if not self._children:
            return []
        ids = self._children.pop(parent.id, ())
        return [self.open[child] for child in ids if child in self.open]

    def legs(self, order: Resting) -> list[Resting]:
        """Return the open orders of an order's group, itself among them; of none without one."""
        if order.group is None:
            return []
        return [self.open[leg] for leg in self._groups.get(order.group, ()) if leg in self.open]

    def of(self, instrument: str) -> Iterator[Resting]:
        """Yield the orders of an instrument by number; one that ends on the way is passed over."""
        for order_id in sorted(self.open):
            order = self.open.get(order_id)
            if order is not None and order.instrument == instrument:
                yield order
