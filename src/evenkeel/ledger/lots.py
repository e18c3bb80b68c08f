"""First in, first out, and nothing is lost on the way: what is moved + what stays = what was."""

from __future__ import annotations

from collections import deque
from decimal import Decimal, Inexact, localcontext
from typing import TYPE_CHECKING, NamedTuple

from evenkeel.domain.money import EXACT, ONE, ZERO

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOSSLESS = EXACT.copy()
"""The context `EXACT`, in which a sum or product that would have to be rounded raises `Inexact`.

Its methods are called by name, so that the ledger is exact whatever context its caller is in.
"""
LOSSLESS.traps[Inexact] = True

FINEST = Decimal("1e-24")
"""Where a share that has no end (a third) is cut off, half to even; sums beside it stay exact."""

_add, _subtract, _multiply = LOSSLESS.add, LOSSLESS.subtract, LOSSLESS.multiply


class Lot(NamedTuple):  # a fill makes one, and a tuple costs half of what a frozen dataclass does
    """What one fill opened: a signed quantity (short is negative) and its whole signed cost.

    It keeps the cost and not the price: a 3:1 split leaves the cost as it is, and would leave a
    price that cannot be written down.
    """

    quantity: Decimal
    cost: Decimal


class Lots:
    """What is held of one instrument: open lots, oldest first, all long or all short."""

    __slots__ = ("_lots", "quantity")

    def __init__(self) -> None:
        """Hold nothing."""
        self.quantity = ZERO
        self._lots: deque[Lot] = deque()

    def __iter__(self) -> Iterator[Lot]:
        """Yield the open lots, oldest first."""
        return iter(self._lots)

    def trade(self, quantity: Decimal, unit: Decimal) -> tuple[Decimal, Decimal]:
        """Trade a signed quantity at `unit` money each; return (change of cost, profit realised).

        What is held the other way round is closed first; what is then left opens a new lot.
        """
        held = self.quantity
        if not held:
            self.quantity = quantity
            return self._open(quantity, unit), ZERO
        self.quantity = _add(held, quantity)
        if (held > ZERO) is (quantity > ZERO):
            return self._open(quantity, unit), ZERO
        left, moved = self._close(quantity)
        proceeds = _multiply(_subtract(left, quantity), unit)
        opened = self._open(left, unit) if left else ZERO
        return _subtract(opened, moved), _subtract(proceeds, moved)

    def trade_all(
        self, quantities: Sequence[Decimal], units: Sequence[Decimal], cost: Decimal
    ) -> Decimal:
        """Trade signed quantities at so much money each; return what everything held then has cost.

        As `trade`, one after the other; what is held now has `cost`. Of what was open before the
        position came to the side on which it ends, nothing is left: that need not be matched.
        """
        with localcontext(LOSSLESS):
            after = end = sum(quantities, self.quantity)
        for turn in range(len(quantities) - 1, -1, -1):
            before = _subtract(after, quantities[turn])
            if not (before and end) or (before > ZERO) is not (end > ZERO):
                self._lots, self.quantity = deque(), after
                cost = self._open(after, units[turn]) if after else ZERO
                break
            after = before
        else:
            turn = -1  # it has been on one side all the time
        for place in range(turn + 1, len(quantities)):
            cost = _add(cost, self.trade(quantities[place], units[place])[0])
        return cost

    def split(self, new: Decimal, old: Decimal) -> None:
        """Make `new` out of every `old` units; what they cost stays what it was."""
        self._lots = deque(Lot(share(quantity, new, old), cost) for quantity, cost in self._lots)
        self.quantity = ZERO
        for lot in self._lots:
            self.quantity = _add(self.quantity, lot.quantity)

    def clear(self) -> Decimal:
        """Let go of everything; return what it cost."""
        cost = ZERO
        for lot in self._lots:
            cost = _add(cost, lot.cost)
        self._lots, self.quantity = deque(), ZERO
        return cost

    def take(self, quantity: Decimal) -> Decimal:
        """Let go of a part, oldest first; return what that part cost."""
        self.quantity = _subtract(self.quantity, quantity)
        return self._close(quantity.copy_negate())[1]

    def take_cost(self, part: Decimal) -> Decimal:
        """Take a part (0 to 1) of every lot's cost away, and return it all; quantities stay."""
        taken, left = ZERO, deque[Lot]()
        for quantity, cost in self._lots:
            off = share(cost, part, ONE)
            taken = _add(taken, off)
            left.append(Lot(quantity, _subtract(cost, off)))
        self._lots = left
        return taken

    def part(self, shares: Decimal, cost_share: Decimal, *, keep: bool) -> list[Lot]:
        """Make lots of `shares` for each share, with a part of its cost; `keep` what is left."""
        made, left = [], deque[Lot]()
        for quantity, cost in self._lots:
            goes = share(cost, cost_share, ONE)
            made.append(Lot(share(quantity, shares, ONE), goes))
            left.append(Lot(quantity, _subtract(cost, goes)))
        if keep:
            self._lots = left
        else:
            self._lots, self.quantity = deque(), ZERO
        return made

    def receive(self, lot: Lot) -> tuple[Decimal, Decimal]:
        """Take a lot over as the newest; return (change of cost, profit realised).

        What is held the other way round is closed first: shares that were sold short are given
        back, and the profit is what they were sold for less what the new ones had cost.
        """
        held = self.quantity
        self.quantity = _add(held, lot.quantity)
        if not held or (held > ZERO) is (lot.quantity > ZERO):
            self._lots.append(lot)
            return lot.cost, ZERO
        left, closed = self._close(lot.quantity)
        stays = share(lot.cost, left, lot.quantity) if left else ZERO
        if left:
            self._lots.append(Lot(left, stays))
        spent = _subtract(lot.cost, stays)
        return _subtract(stays, closed), _add(closed, spent).copy_negate()

    def _open(self, quantity: Decimal, unit: Decimal) -> Decimal:
        cost = _multiply(quantity, unit)
        self._lots.append(Lot(quantity, cost))
        return cost

    def _close(self, quantity: Decimal) -> tuple[Decimal, Decimal]:
        """Take lots off against `quantity`; return what is left of it and the cost taken off."""
        left, moved, lots = quantity, ZERO, self._lots
        while left and lots:
            oldest = lots[0]
            after = _add(oldest.quantity, left)
            if after and (after > ZERO) is (oldest.quantity > ZERO):
                cost = share(oldest.cost, left.copy_negate(), oldest.quantity)
                lots[0] = Lot(after, _subtract(oldest.cost, cost))
                return ZERO, _add(moved, cost)
            lots.popleft()
            left, moved = after, _add(moved, oldest.cost)
        return left, moved


def share(whole: Decimal, part: Decimal, of: Decimal) -> Decimal:
    """Return whole × part / of: exactly when 24 decimals can hold it, else rounded to them."""
    full = EXACT.divide(EXACT.multiply(whole, part), of)
    short = EXACT.quantize(full, FINEST)
    return full if full == short else short
