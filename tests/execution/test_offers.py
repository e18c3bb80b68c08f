"""What a bar offers an order. An order may meet a bar too early: then it is offered nothing."""

import pytest
from tests.execution.bench import approved, bars_of, order, venue

from evenkeel.execution.fill_model import Prices
from evenkeel.execution.offers import offer

AT_100 = Prices(100, 101, 99, 100)


@pytest.mark.parametrize(
    ("side", "kind", "terms"),
    [
        ("BUY", "LIMIT", {"limit": "98"}),
        ("SELL", "LIMIT", {"limit": "102"}),
        ("BUY", "STOP", {"stop": "102"}),
        ("SELL", "STOP", {"stop": "98"}),
        ("BUY", "STOP_LIMIT", {"stop": "102", "limit": "103"}),
        ("SELL", "STOP_LIMIT", {"stop": "98", "limit": "97"}),
    ],
)
def test_a_bar_that_does_not_reach_an_order_offers_it_nothing_and_wakes_no_stop(side, kind, terms):
    broker = venue(bars_of([AT_100]))
    broker.submit(approved(order(1, side, 10, kind, **terms)))
    leg = broker._open[1]
    assert offer(leg, AT_100, 0, through=False) is None
    assert leg.type.value == kind
