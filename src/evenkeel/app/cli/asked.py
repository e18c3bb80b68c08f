"""`evenkeel why`: the story of one order on one screen."""

from __future__ import annotations

from typing import Any

from evenkeel.app.cli.shown import Answer, money, pairs, percent, table
from evenkeel.app.runs import load
from evenkeel.app.why import asked, why
from evenkeel.ops.settings import load_settings


def answer(order: str, run: str | None) -> Answer:
    """Tell why an order was sent, or refused, and what came of it."""
    wanted = asked(order, run)
    story = why(load(wanted.run, load_settings().paths.runs), wanted.order_id)
    return Answer(story, _lines(story))


def _lines(story: dict[str, Any]) -> list[str]:
    order, failed = story["order"], [c for c in story["checks"] if not c["ok"]]
    verdict = "sent" if not failed else f"refused by {failed[0]['rule']}"
    return [
        f"Order {order['id']} of {story['run_id']}: {_what(order)}; {verdict}.",
        "",
        "Decided on",
        *_decision(story),
        "",
        "The gate",
        *_checks(story["checks"]),
        "",
        *_venue(story),
        *_outcome(story),
    ]


def _what(order: dict[str, Any]) -> str:
    prices = "".join(
        f", {name} {order[key]}"
        for name, key in (
            ("limit", "limit_price"),
            ("stop", "stop_price"),
            ("trail", "trail_amount"),
            ("trail %", "trail_percent"),
        )
        if key in order
    )
    kind = order["type"].lower().replace("_", " ")
    return f"{order['side']} {order['quantity']} {order['instrument']} {kind}{prices}"


def _decision(story: dict[str, Any]) -> list[str]:
    order, bar, account = story["order"], story["bar"], story["account"]
    rows: list[tuple[str, object]] = [
        ("strategy", order["strategy"]),
        ("reason", order.get("reason", "(the strategy gave none)")),
        ("sizing", order.get("sizing")),
    ]
    if bar is not None:
        volume = "" if bar["volume"] is None else f"  volume {bar['volume']:,.0f}"
        prices = "  ".join(f"{name} {bar[name]:g}" for name in ("open", "high", "low", "close"))
        rows.append(("bar", f"closed {bar['closed_at']}  {prices}{volume}"))
    equity = account["equity"]
    held = (
        f"{account['held']} held, {account['buying']} being bought, {account['selling']} being sold"
    )
    rows.append(("account", f"equity {_money(equity)}, cash {_money(account['cash'])}; {held}"))
    links = [
        f"{name} {order[name]}" for name in ("replaces", "parent", "oca_group") if name in order
    ]
    rows.append(("linked", ", ".join(links)))
    return pairs(rows)


def _checks(checks: list[dict[str, Any]]) -> list[str]:
    rows = [
        (
            "ok" if check["ok"] else "NO",
            check["rule"],
            _brief(check["limit"]),
            _brief(check["observed"]),
        )
        for check in checks
    ]
    return table(("", "rule", "allows", "saw"), rows)


def _brief(value: str) -> str:
    """Cut a number that nobody reads to its end, and show that it goes on."""
    number = value.replace(".", "", 1).replace("-", "", 1)
    return f"{value[:12]}…" if number.isdecimal() and len(value) > 14 else value


def _venue(story: dict[str, Any]) -> list[str]:
    if not story["venue"]:
        return []
    rows = [(each["at"], each["what"], each.get("text", "")) for each in story["venue"]]
    return ["The venue", *table(("time", "said", ""), rows), ""]


def _outcome(story: dict[str, Any]) -> list[str]:
    if story["verdict"] == "refused":
        return ["It never left: no fill, no cost."]
    if not story["fills"]:
        return ["It never filled: no cost, no profit or loss."]
    rows = [
        (
            trip["part"],
            "still open" if trip["open"] else f"{trip['entry_order']} → {trip['exit_order']}",
            trip["quantity"],
            f"{float(trip['entry_price']):,.4f}",
            f"{float(trip['exit_price']):,.4f}",
            money(float(trip["net_pnl"])),
            percent(trip["return"]),
        )
        for trip in story["round_trips"]
    ]
    head = ("as", "orders", "quantity", "entry", "exit", "profit", "return")
    trips = table(head, rows, right="quantity entry exit profit return")
    paid = [(name, _money(story[name])) for name in ("commission", "fees", "slippage")]
    taken = ", ".join(f"{taker} {fee}" for taker, fee in story["fees_by_taker"].items())
    kind = story["fills"][0]["currency"]
    cost = [f"What it cost in {kind}", *pairs([*paid, ("fees are", taken)])]
    return [*cost, "", f"What came of it in {kind}", *trips]


def _money(amount: str | None) -> str:
    return "—" if amount is None else money(float(amount))
