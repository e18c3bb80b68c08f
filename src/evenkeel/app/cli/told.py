"""A run in a few lines: what it did, what it cost, and what one should know before believing it."""

from __future__ import annotations

from typing import Any

from evenkeel.app.cli.shown import money, pairs, percent, ratio

FEW = 3
"""How many findings are told whole."""


def run_lines(body: dict[str, Any]) -> list[str]:
    """Return the summary of a run, as `Result.summary` gives it, for people."""
    metrics, orders, costs = body["metrics"], body["orders"], body["costs"]
    period = f"{body['start'][:10]} to {body['end'][:10]}, {body['bars']:,} bars"
    rows = [
        ("run", body["run_id"]),
        ("data", f"{', '.join(body['instruments'])}: {period}"),
        ("parameters", ", ".join(f"{k}={v}" for k, v in body["params"].items())),
        ("equity", f"{money(body['equity_start'])} → {money(body['equity_end'])}"),
        ("return", _returns(body)),
        ("risk", _risk(metrics)),
        ("orders", _orders(orders, body)),
        ("refused", ", ".join(f"{k} {n}" for k, n in body["refused_by_reason"].items())),
        ("costs", _costs({**costs, **body["financing"]})),
        ("if costs were", _sensitivity(body["cost_sensitivity"])),
        ("ambiguous", _ambiguous(body)),
        ("findings", _findings(body["findings"])),
        ("limits", body["limits"]["note"]),
        ("took", _seconds(body["wall_seconds"])),
    ]
    return [body["strategy"], *pairs(rows)]


def _costs(costs: dict[str, float]) -> str:
    """Say what was paid, commission and slippage always, the rest where there was any."""
    always = ("commission", "slippage")
    return ", ".join(
        f"{name} {money(amount)}" for name, amount in costs.items() if name in always or amount
    )


def _sensitivity(body: dict[str, Any]) -> str:
    """Say what the same fills come to at other costs, in one line."""
    cases = {case["multiple"]: percent(case["total_return"]) for case in body["cases"]}
    asked = ", ".join(f"{name} {cases[k]}" for k, name in ((0, "nothing"), (2, "×2"), (5, "×5")))
    none_left = body["break_even"]
    rest = "" if none_left is None else f"; nothing is left at ×{none_left:,.1f}"
    return f"{asked} (the same fills, priced again){rest}"


def _returns(body: dict[str, Any]) -> str:
    metrics, gross = body["metrics"], body["gross_metrics"]
    return (
        f"{percent(metrics['total_return'])} ({percent(metrics['cagr'])} a year); "
        f"{percent(gross['total_return'])} before costs"
    )


def _risk(metrics: dict[str, Any]) -> str:
    return (
        f"Sharpe {ratio(metrics['sharpe'])}, Sortino {ratio(metrics['sortino'])}, "
        f"deepest drawdown {percent(metrics['max_drawdown'])}"
    )


def _orders(orders: dict[str, int], body: dict[str, Any]) -> str:
    """Count what became of orders; of none at all, say which wishes come to nothing."""
    ends = [f"{name.replace('_', ' ')} {count}" for name, count in orders.items() if count]
    if not ends:
        lots = " or ".join(f"{lot:g}" for lot in sorted(set(body["lots"].values())))
        return f"none; 0 fills (what is less than a lot of {lots} is not ordered)"
    return f"{', '.join(ends)}; {body['fills']} fills"


def _ambiguous(body: dict[str, Any]) -> str:
    if not body["ambiguous_bars"]:
        return ""
    worth = money(body["ambiguity_worth"])
    return f"{body['ambiguous_bars']} bars could have filled better, by {worth} in all"


def _findings(findings: list[dict[str, Any]]) -> str:
    """Say what was found in the data; of more than a few instruments or kinds only how often."""
    if len(findings) <= FEW:
        return "; ".join(f"{each['instrument']}: {each['message']}" for each in findings)
    return "; ".join(f"{each['instrument']} {each['code']} ×{each['count']}" for each in findings)


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.2f} s"
