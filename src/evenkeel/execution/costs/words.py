"""The tariffs by the names that the command line and the journal use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evenkeel.domain.errors import UsageError
from evenkeel.execution.costs.flat import BasisPoints, PerOrder, PerShare, Zero
from evenkeel.execution.costs.ibkr import IbkrFixed, IbkrTiered
from evenkeel.execution.wording import Kind, build

if TYPE_CHECKING:
    from evenkeel.execution.costs.model import CostModel

KINDS: dict[str, Kind[CostModel]] = {
    "zero": Kind(Zero, "zero"),
    "none": Kind(Zero, "zero"),
    "bps": Kind(BasisPoints, "bps:10", ("points",), ("points",)),
    "per-share": Kind(PerShare, "per-share:0.005", ("amount", "minimum"), ("amount",)),
    "per-order": Kind(PerOrder, "per-order:1", ("amount",), ("amount",)),
    "ibkr-fixed": Kind(IbkrFixed, "ibkr-fixed"),
    "ibkr-tiered": Kind(IbkrTiered, "ibkr-tiered", ("remove", "add")),
}


def parse_costs(costs: str | CostModel) -> CostModel:
    """Return the model that a text names (`zero`, `bps:10`, `ibkr-fixed` …); a model is itself.

    Raises `UsageError` for any other text.
    """
    if isinstance(costs, str):
        return build(costs, KINDS, of="costs")
    if hasattr(costs, "commission"):
        return costs
    raise UsageError(f"costs {costs!r} are neither a text such as 'bps:10' nor a cost model")
