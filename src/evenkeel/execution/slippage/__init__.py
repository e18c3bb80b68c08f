"""How much worse than its rule an order fills: the port, the models, and their names."""

from evenkeel.execution.slippage.chance import RandomSlippage
from evenkeel.execution.slippage.combined import Combined, Latency, check_bars, late
from evenkeel.execution.slippage.flat import (
    BasisPointsSlippage,
    HalfSpread,
    NoSlippage,
    TickSlippage,
)
from evenkeel.execution.slippage.impact import AlmgrenChriss, SquareRoot, VolumeShare
from evenkeel.execution.slippage.model import AnySlippage, Meeting, Slippage, SlippageInBar
from evenkeel.execution.slippage.spread import CorwinSchultz, Roll
from evenkeel.execution.slippage.words import KINDS, parse_slippage

__all__ = [
    "KINDS",
    "AlmgrenChriss",
    "AnySlippage",
    "BasisPointsSlippage",
    "Combined",
    "CorwinSchultz",
    "HalfSpread",
    "Latency",
    "Meeting",
    "NoSlippage",
    "RandomSlippage",
    "Roll",
    "Slippage",
    "SlippageInBar",
    "SquareRoot",
    "TickSlippage",
    "VolumeShare",
    "check_bars",
    "late",
    "parse_slippage",
]
