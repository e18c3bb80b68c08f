"""What an order costs: the port, the models, and the words by which they are called."""

from evenkeel.execution.costs.flat import BasisPoints, PerOrder, PerShare, Zero
from evenkeel.execution.costs.ibkr import IbkrFixed, IbkrTiered
from evenkeel.execution.costs.itemized import itemized
from evenkeel.execution.costs.model import (
    Bounded,
    Charge,
    CostModel,
    Meter,
    MeteredCosts,
    Traded,
    bound_of,
)
from evenkeel.execution.costs.words import KINDS, parse_costs

__all__ = [
    "KINDS",
    "BasisPoints",
    "Bounded",
    "Charge",
    "CostModel",
    "IbkrFixed",
    "IbkrTiered",
    "Meter",
    "MeteredCosts",
    "PerOrder",
    "PerShare",
    "Traded",
    "Zero",
    "bound_of",
    "itemized",
    "parse_costs",
]
