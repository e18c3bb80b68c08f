"""`evenkeel demo`: what the demo found, in a newcomer's words."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from evenkeel.app.cli.shown import Answer, pairs, shown
from evenkeel.app.cli.told import run_lines
from evenkeel.app.demo import LEFT_OUT, demonstrate

if TYPE_CHECKING:
    from evenkeel.app.demo import Demonstrated


def answer(out: str, *, serve: bool) -> Answer:
    """Run the demo; the answer is no (exit code 1) when the two journals differ."""
    done = demonstrate(Path(out))
    body = done.backtest.summary()
    same = done.parity
    body["parity"] = {
        "equal": same.equal,
        "records": same.records,
        "head_hash": same.head_hash,
        "paper_run_id": done.paper.manifest["run_id"],
        "database": done.database,
    }
    body["trading_seconds"] = done.seconds
    body["report"] = str(done.report)
    lines = [
        "Five stocks at the prices of 2000 to 2013, once a month into the two that rose most.",
        f"Splits and a special dividend happen on their days; {LEFT_OUT}.",
        "",
        *run_lines(body),
        "",
        *_proof(done),
        "",
        *pairs([("report", shown(done.report)), ("journal", shown(Path(body["journal"]["path"])))]),
        "",
        *_next(done, serve=serve),
    ]
    return Answer(body, lines, exit_code=0 if same.equal else 1)


def _proof(done: Demonstrated) -> list[str]:
    same = done.parity
    if not same.equal:
        return [
            f"The journals of backtest and paper DIFFER from record {same.sequence} on:",
            *pairs([("backtest", same.first), ("paper", same.second)]),
        ]
    return [
        "Then the same bars once more on paper, one by one, into a database. The journals are equal:",
        *pairs(
            [
                ("records", f"{same.records}, each equal"),
                ("head hash", same.head_hash),
                ("both took", f"{done.seconds:.2f} s"),
            ]
        ),
    ]


def _next(done: Demonstrated, *, serve: bool) -> list[str]:
    run = shown(done.folder / "runs" / str(done.backtest.manifest["run_id"]))
    activate = Path(sys.prefix) / "bin" / "activate"
    unknown = which("evenkeel") is None and activate.exists()  # `make demo` calls it by its path
    steps = [
        *([("first", f"source {shown(activate)}")] if unknown else []),
        ("open", f"{done.report.resolve().as_uri()}" if serve else shown(done.report)),
        ("why an order", f"evenkeel why 1 --run {run}"),
        ("check", f"evenkeel audit verify {run}"),
        ("your own", "save the strategy of the README as my.py, then"),
        ("", f"evenkeel backtest my.py:SmaCross --data {shown(done.folder / 'data' / 'AAPL.csv')}"),
    ]
    return ["What to do next:", *pairs(steps)]
