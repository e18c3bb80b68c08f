"""What an order costs, against published examples and sums done by hand."""

from decimal import Decimal

import pytest

from evenkeel.domain.errors import UsageError
from evenkeel.execution.costs import BasisPoints, IbkrFixed, Zero, parse_costs

D = Decimal


@pytest.mark.parametrize(
    ("quantity", "price", "cost"),
    [
        # Interactive Brokers, Commissions, Stocks, Fixed, United States: the page's own examples
        ("100", "25", "1.00"),
        ("1000", "25", "5.00"),
        ("1000", "0.25", "2.50"),  # 1 % of 250
        ("10", "0.20", "0.02"),  # 1 % of 2 is less than the minimum, and wins
        # on both edges
        ("200", "25", "1.00"),
        ("201", "25", "1.005"),
        ("4", "25", "1.00"),
        ("3", "25", "0.75"),
    ],
)
def test_ibkr_fixed_is_per_share_with_a_minimum_and_a_most(quantity, price, cost):
    notional = D(quantity) * D(price)
    assert IbkrFixed().commission(quantity=D(quantity), notional=notional) == D(cost)


def test_basis_points_are_exact_and_never_rounded():
    cost = BasisPoints(D("2.5")).commission(quantity=D(3), notional=D("33333.33"))
    assert cost == D("8.3333325")


def test_free_is_free():
    assert Zero().commission(quantity=D(3), notional=D(300)) == 0


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("zero", Zero()),
        ("none", Zero()),
        (" bps:10 ", BasisPoints(D(10))),
        ("bps:0.5", BasisPoints(D("0.5"))),
        ("ibkr-fixed", IbkrFixed()),
    ],
)
def test_a_text_names_a_model_and_the_model_names_the_text(text, model):
    assert parse_costs(text) == model
    assert parse_costs(parse_costs(text).name) == model
    assert parse_costs(model) is model


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ibkr-fixd", "did you mean 'ibkr-fixed'"),
        ("bps", "there are zero, bps:10, ibkr-fixed"),
        ("bps:ten", "'ten' is not a number"),
        ("bps:-1", "at least 0"),
        ("bps:10000", "below 10000"),
        ("bps:nan", "at least 0"),
        (10, "neither a text nor a cost model"),
    ],
)
def test_a_wrong_text_is_told_what_there_is(text, says):
    with pytest.raises(UsageError, match=says):
        parse_costs(text)
