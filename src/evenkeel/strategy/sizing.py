"""How much: from a wish about weight or risk to a number of units. Pure arithmetic in floats."""

from __future__ import annotations

from evenkeel.domain.errors import StrategyError


def quantity_for_weight(
    weight: float, *, equity: float, price: float, multiplier: float = 1.0
) -> float:
    """Return the signed quantity whose value is `weight` times `equity` at `price`."""
    if not price > 0:
        raise StrategyError(f"a weight needs a positive price, was {price}")
    return weight * equity / (price * multiplier)


def quantity_for_risk(
    fraction: float, *, equity: float, distance: float, multiplier: float = 1.0
) -> float:
    """Return the quantity that loses `fraction` of `equity` when the price moves by `distance`.

    `distance` is in price units, such as two average true ranges. Zero when the distance is not
    a positive number (warm-up): nothing is traded on an unknown risk.
    """
    if not distance > 0:
        return 0.0
    return fraction * equity / (distance * multiplier)
