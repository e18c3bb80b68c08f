"""What the gate says about an order. `Approved` is the only thing that a broker takes."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from msgspec import Struct

from evenkeel.domain.order import Order


class Reason(Enum):
    """Why an order was refused: the name of the rule it broke, in the order rules are read."""

    HALTED = "halted"
    INSTRUMENT_UNKNOWN = "instrument_unknown"
    INSTRUMENT_QUARANTINED = "instrument_quarantined"
    INSTRUMENT_NOT_TRADABLE = "instrument_not_tradable"
    PRICE_STALE = "price_stale"
    QUANTITY_INVALID = "quantity_invalid"
    TERMS_INVALID = "terms_invalid"
    REPLACED_ORDER_NOT_WORKING = "replaced_order_not_working"
    ORDER_QUANTITY = "order_quantity_max"
    ORDER_NOTIONAL = "order_notional_max"
    PRICE_COLLAR = "price_collar_max"
    POSITION = "position_quantity_max"
    GROSS_EXPOSURE = "gross_exposure_max"
    NET_EXPOSURE = "net_exposure_max"
    CONCENTRATION = "concentration_max"
    BUYING_POWER = "buying_power_multiple"
    ORDERS_PER_SECOND = "orders_per_second_max"
    ORDERS_PER_DAY = "orders_per_day_max"
    DUPLICATE = "duplicate_window_seconds"
    OPEN_ORDERS = "open_orders_max"


DATA_IN_DOUBT = (Reason.INSTRUMENT_QUARANTINED, Reason.PRICE_STALE)
"""The reasons that say something about the data, not about the order."""


class Approved(Struct, frozen=True, gc=False):
    """Permission to send one order. Made by the gate alone; a tidy test sees to it.

    `reserve_price` is the price at which the order counts against the limits until it is done:
    the worst of the last price and the order's own prices, in the instrument's currency.
    """

    order: Order
    at: int
    reserve_price: Decimal


class Refused(Struct, frozen=True, gc=False):
    """An order that may not be sent: the rule, what the rule allows, and what was observed."""

    order: Order
    at: int
    reason: Reason
    limit: Decimal | str
    observed: Decimal | str
