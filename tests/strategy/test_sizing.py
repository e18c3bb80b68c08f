"""From a wish about weight or risk to a number of units."""

import pytest

from evenkeel.domain.errors import StrategyError
from evenkeel.strategy.sizing import quantity_for_risk, quantity_for_weight


def test_a_weight_is_a_share_of_equity_at_a_price():
    assert quantity_for_weight(0.5, equity=10_000, price=20) == 250
    assert quantity_for_weight(-0.5, equity=10_000, price=20, multiplier=10) == -25


@pytest.mark.parametrize("price", [0, -1, float("nan")])
def test_a_weight_needs_a_positive_price(price):
    with pytest.raises(StrategyError, match="positive price, was"):
        quantity_for_weight(0.5, equity=10_000, price=price)


def test_a_risk_is_what_is_lost_over_a_distance():
    quantity = quantity_for_risk(0.01, equity=10_000, distance=4, multiplier=5)
    assert quantity * 4 * 5 == pytest.approx(100)


@pytest.mark.parametrize("distance", [0, -1, float("nan")])
def test_nothing_is_traded_on_an_unknown_risk(distance):
    assert quantity_for_risk(0.01, equity=10_000, distance=distance) == 0
