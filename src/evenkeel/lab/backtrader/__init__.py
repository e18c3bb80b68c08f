"""Backtrader strategies as guests: their code in Backtrader's own loop; gate, venue, ledger are ours.

    host(Theirs, fast=10)     a strategy of ours that runs a `bt.Strategy`, unchanged
    RiskStrategy              a `bt.Strategy` to write new ones on: laws for parameters, limits, targets

Backtrader is GPL-3 and no longer maintained: an optional extra, imported in this folder alone.
"""

from __future__ import annotations

from evenkeel.domain.errors import UsageError

try:
    import backtrader  # noqa: F401 - asked for once, here
except ModuleNotFoundError as error:
    raise UsageError(
        "Backtrader is not installed; install it with `pip install 'evenkeel[backtrader]'`"
    ) from error

from evenkeel.lab.backtrader.guest import Guest, host
from evenkeel.lab.backtrader.risk_strategy import RiskStrategy

__all__ = ["Guest", "RiskStrategy", "host"]
