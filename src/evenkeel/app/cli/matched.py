"""`evenkeel parity`: a run held against itself on paper or against another, order by order."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from evenkeel.app.cli.shown import Answer, beside_the_answer, pairs, table
from evenkeel.app.parity import between, kept, parity
from evenkeel.app.runs import find, load
from evenkeel.domain.errors import UsageError
from evenkeel.domain.fx import FX_COSTS, SETTING
from evenkeel.domain.instrument_events import INSTRUMENT_EVENTS
from evenkeel.domain.money import text
from evenkeel.ops.settings import load_settings
from evenkeel.reports.differences import CAUSES
from evenkeel.reports.text import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evenkeel.app.parity import Parity
    from evenkeel.app.setup import Request
    from evenkeel.reports.differences import Difference, OrderTold
    from evenkeel.reports.result import Result

ORDERS_SHOWN = 20
"""How many differing orders people are shown; `--json` has them all."""


def answer(run: str | None, other: str | None) -> Answer:
    """Compare a run with its own bars traded again on paper, or with `other`; exit code 1 if unlike."""
    paths = load_settings().paths
    if other is not None:
        first, second = (kept(each, paths.runs, paths.database) for each in (str(run), other))
        return _answer(first.name, second.name, between(first, second), "journals of the same run")
    folder = find(run, paths.runs)
    result = load(str(folder), folder.parent)
    if recording := result.manifest["data"].get("recording"):
        raise UsageError(
            f"{folder.name} was traded on live prices: live its day again with `evenkeel paper "
            f"BOT.toml --replay {recording}`, and compare the two with `evenkeel parity RUN RUN`"
        )
    with beside_the_answer():
        found = parity(request_again(result), result.journal)
    return _answer(folder.name, "paper", found, "its bars traded again on paper")


def _answer(first: str, second: str, found: Parity, equal: str) -> Answer:
    body: dict[str, Any] = {
        "run_id": first,
        "other": second,
        "equal": found.equal,
        "records": found.records,
        "head_hash": found.head_hash,
        "first_difference": None,
    }
    if found.equal:
        words = f"{first} and {equal if second == 'paper' else second}"
        facts = pairs([("records", found.records), ("head hash", found.head_hash)])
        return Answer(body, [f"Equal: {words}.", *facts])
    body["first_difference"] = {
        "sequence": found.sequence,
        "run": found.first,
        "paper" if second == "paper" else "other": found.second,
    }
    body["causes"] = dict(Counter(each.cause for each in found.differences))
    body["orders"] = [_order(number, each) for number, each in enumerate(found.differences, 1)]
    return Answer(body, _lines(first, second, found), exit_code=1)


def _lines(first: str, second: str, found: Parity) -> list[str]:
    lines = [f"Different from record {found.sequence} on.", *_records(first, second, found), ""]
    if not found.differences:
        return [*lines, "Every order is the same in both, with every fill and what it cost."]
    count = len(found.differences)
    lines.append(f"{count} order{'s are' if count > 1 else ' is'} not the same:")
    lines += table(
        ("cause", "orders", "of these follow from another"), _causes(found), right="orders"
    )
    rows = [_row(number, each) for number, each in enumerate(found.differences, 1)][:ORDERS_SHOWN]
    lines += ["", *table(("", "cause", "first", "second", "decided", "order", "why"), rows)]
    if count > ORDERS_SHOWN:
        lines.append(f"  … and {count - ORDERS_SHOWN} more; --json has them all")
    return lines


def _records(first: str, second: str, found: Parity) -> list[str]:
    """Return in what two records of one kind differ; of two kinds, what they are."""
    mine, theirs = (
        dict(_entries(msgspec.json.decode(each or "{}"))) for each in (found.first, found.second)
    )
    if mine.get("kind") != theirs.get("kind"):
        return pairs([(first, found.first or "(ended)"), (second, found.second or "(ended)")])
    names = [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]
    rows = [
        (name.removeprefix("body."), mine.get(name, "—"), theirs.get(name, "—")) for name in names
    ]
    return table((mine["kind"], first, second), rows)


def _entries(said: Any, name: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - of JSON
    """Yield the entries of nested tables by their whole names."""
    if isinstance(said, dict):
        for key, each in said.items():
            yield from _entries(each, f"{name}.{key}" if name else key)
    else:
        moment = isinstance(said, int) and name.endswith((".at", "_at"))
        yield name, iso(said) if moment else said


def _causes(found: Parity) -> list[tuple[object, ...]]:
    return [
        (cause, len(of_it), sum(each.follows is not None for each in of_it) or "")
        for cause in CAUSES
        if (of_it := [each for each in found.differences if each.cause == cause])
    ]


def _row(number: int, difference: Difference) -> tuple[object, ...]:
    told = difference.first or difference.second
    assert told is not None, difference  # a difference is of an order
    order = told.order
    what = f"{order.side.value} {text(order.quantity)} {order.instrument}"
    numbers = (
        "—" if each is None else each.order.id for each in (difference.first, difference.second)
    )
    return (number, difference.cause, *numbers, iso(order.created_at), what, difference.explanation)


def _order(number: int, difference: Difference) -> dict[str, Any]:
    return {
        "number": number,
        "cause": difference.cause,
        "explanation": difference.explanation,
        "follows": difference.follows,
        "first": _side(difference.first),
        "second": _side(difference.second),
    }


def _side(told: OrderTold | None) -> dict[str, Any] | None:
    """Return what one journal says of an order."""
    if told is None:
        return None
    order = told.order
    prices = {
        "limit_price": order.limit_price,
        "stop_price": order.stop_price,
        "trail_amount": order.trail_amount,
        "trail_percent": order.trail_percent,
    }
    return {
        "order": order.id,
        "instrument": order.instrument,
        "side": order.side.value,
        "type": order.type.value,
        "decided": iso(order.created_at),
        "quantity": text(order.quantity),
        **{name: text(price) for name, price in prices.items() if price is not None},
        "status": told.status,
        "cost": text(told.cost),
        "fills": [
            {"at": iso(fill.at), "quantity": text(fill.quantity), "price": text(fill.price)}
            for fill in told.fills
        ],
    }


def request_again(result: Result) -> Request:
    """Return the request that a run was made of, from what its journal and manifest say."""
    from evenkeel.app.setup import request
    from evenkeel.app.strategies import ENGINES, load_strategy
    from evenkeel.risk.limits import Limits

    started = result.started
    return request(
        load_strategy(
            str(result.manifest["strategy"]),
            result.manifest["params"],
            engine=started.settings.get("engine", ENGINES[0]).partition(" ")[0],
        ),
        list(result.bars.values()),
        cash=started.cash,
        currency=started.currency,
        costs=started.costs,
        slippage=started.slippage,
        limits=Limits.from_text(started.limits),
        volume_share=started.settings["volume_share"],
        touch=started.settings["touch"],
        **{key: started.settings.get(key, "none") for key in ("interest", "borrow", "margin")},
        fx_costs=started.settings.get(FX_COSTS),
        fx={
            key.removeprefix(SETTING): rates
            for key, rates in started.settings.items()
            if key.startswith(SETTING)
        },
        actions=[each for each in result.records if isinstance(each, INSTRUMENT_EVENTS)],
        data=result.manifest["data"],
    )
