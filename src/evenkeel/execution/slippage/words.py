"""The slippage models by the names that the command line and the journal use."""

from __future__ import annotations

from evenkeel.domain.errors import UsageError
from evenkeel.execution.slippage.chance import RandomSlippage
from evenkeel.execution.slippage.combined import Combined, Latency
from evenkeel.execution.slippage.flat import (
    BasisPointsSlippage,
    HalfSpread,
    NoSlippage,
    TickSlippage,
)
from evenkeel.execution.slippage.impact import AlmgrenChriss, SquareRoot, VolumeShare
from evenkeel.execution.slippage.model import AnySlippage
from evenkeel.execution.slippage.spread import CorwinSchultz, Roll
from evenkeel.execution.wording import Kind, build

KINDS: dict[str, Kind[AnySlippage]] = {
    "none": Kind(NoSlippage, "none"),
    "zero": Kind(NoSlippage, "none"),
    "bps": Kind(BasisPointsSlippage, "bps:5", ("points",), ("points",)),
    "ticks": Kind(TickSlippage, "ticks:1", ("ticks",), ("ticks",)),
    "half-spread": Kind(HalfSpread, "half-spread:0.02", ("amount",), ("amount",)),
    "corwin-schultz": Kind(CorwinSchultz, "corwin-schultz", ("window",)),
    "roll": Kind(Roll, "roll", ("window",)),
    "volume-share": Kind(VolumeShare, "volume-share:0.1", ("impact",)),
    "sqrt": Kind(SquareRoot, "sqrt:1", ("constant",)),
    "almgren-chriss": Kind(AlmgrenChriss, "almgren-chriss", ("turnover", "gamma", "eta")),
    "random": Kind(RandomSlippage, "random:5,seed=1", ("points", "seed"), ("points",)),
    "latency": Kind(Latency, "latency:1", ("bars_late",), ("bars_late",)),
}


def parse_slippage(slippage: str | AnySlippage) -> AnySlippage:
    """Return the model that a text names (`none`, `bps:5`, `ticks:1+latency:1` …).

    A model is itself. Raises `UsageError` for any other text.
    """
    if isinstance(slippage, str):
        parts = tuple(build(part, KINDS, of="slippage") for part in slippage.split("+"))
        return parts[0] if len(parts) == 1 else Combined(parts)
    if hasattr(slippage, "slipped") or hasattr(slippage, "slipped_in"):
        return slippage
    raise UsageError(
        f"slippage {slippage!r} is neither a text such as 'bps:1' nor a slippage model"
    )
