"""How a large order is cut up in time: quickly costs impact, slowly bears risk.

R. Almgren and N. Chriss, "Optimal execution of portfolio transactions", Journal of Risk 3 (2000).
Trading `n` shares in an interval of length `tau` costs `spread * n + eta * n * n / tau` and moves the
price by `gamma * n` for good, against the trader; the price wanders by `sigma * sqrt(tau)`.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

from evenkeel.domain.errors import StrategyError


class Slices(NamedTuple):
    """What is still to be traded after each interval, and what all of it is expected to cost.

    `holdings` begins with the whole quantity and ends with 0: round these to lots, and what is
    rounded off is traded later, not lost. `kappa` is the urgency, per unit of time: after
    `1 / kappa` about two thirds are done. `cost` is the expected loss against the price at the
    start, `risk` its standard deviation, both in money.
    """

    kappa: float
    holdings: tuple[float, ...]
    cost: float
    risk: float

    @property
    def trades(self) -> tuple[float, ...]:
        """How much each interval trades."""
        return tuple(before - after for before, after in pairwise(self.holdings))


def optimal_slices(
    quantity: float,
    *,
    time: float,
    intervals: int,
    sigma: float,
    eta: float,
    gamma: float = 0.0,
    spread: float = 0.0,
    aversion: float = 0.0,
) -> Slices:
    """Return how to trade `quantity` so that cost + `aversion` times variance is least.

    `time` is how long there is, in any unit (days), in so many equal `intervals`. `sigma` is the
    price's standard deviation over one unit of time, in money per share; `eta` the temporary impact,
    in money per share for each share per unit of time; `gamma` the permanent impact, in money per
    share for each share; `spread` half of what lies between bid and ask. `aversion` is per unit of
    money: 0 does not mind risk and trades evenly. Raises `StrategyError` for what cannot be.
    """
    for name, value in (("quantity", quantity), ("time", time), ("sigma", sigma), ("eta", eta)):
        if not 0 < value < math.inf:
            raise StrategyError(f"slices need a positive {name}, was {value}")
    for name, value in (("gamma", gamma), ("spread", spread), ("aversion", aversion)):
        if not 0 <= value < math.inf:
            raise StrategyError(f"{name} of slices must be at least 0, was {value}")
    if intervals < 1:
        raise StrategyError(f"slices need at least one interval, was {intervals}")
    tau = time / intervals
    pressed = eta - gamma * tau / 2  # what an interval's own permanent impact leaves of eta
    if not pressed > 0:
        raise StrategyError(
            f"intervals of {tau:g} are too long for a permanent impact of {gamma:g}: eta {eta:g} "
            f"must be above gamma * interval / 2, {gamma * tau / 2:g}"
        )
    kappa = math.acosh(1 + aversion * sigma**2 / pressed * tau**2 / 2) / tau
    holdings = tuple(quantity * _left(step / intervals, kappa * time) for step in range(intervals))
    made = Slices(kappa, (*holdings, 0.0), 0.0, 0.0)
    variance = sigma**2 * tau * math.fsum(left**2 for left in made.holdings[1:])
    cost = gamma * quantity**2 / 2 + spread * quantity
    cost += pressed / tau * math.fsum(traded**2 for traded in made.trades)
    return made._replace(cost=cost, risk=math.sqrt(variance))


def _left(passed: float, urgency: float) -> float:
    """Return sinh(urgency * (1 - passed)) / sinh(urgency), which no urgency makes overflow."""
    if urgency < 1e-9:
        return 1 - passed
    shrunk = math.expm1(-2 * urgency * (1 - passed)) / math.expm1(-2 * urgency)
    return math.exp(-urgency * passed) * shrunk
