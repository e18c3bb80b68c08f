"""What one can do with runs that are kept: list them, picture them, trade them again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.app.cli.shown import Answer, beside_the_answer, money, pairs, percent, shown, table
from evenkeel.app.runs import check_writable, find, list_runs, load
from evenkeel.domain.errors import UsageError
from evenkeel.domain.events import CashDividend, Split
from evenkeel.ops.settings import load_settings

if TYPE_CHECKING:
    from evenkeel.app.setup import Request
    from evenkeel.reports.result import Result


def list_answer() -> Answer:
    """Say which runs there are, the newest first."""
    folder = load_settings().paths.runs
    runs = list_runs(folder)[::-1]
    if not runs:
        return Answer(
            {"runs": []}, [f"No runs in {folder} yet.", "", "Next: evenkeel backtest --help"]
        )
    head = ("run", "mode", "parameters", "return", "equity", "fills", "records")
    rows = [
        (
            run["run_id"],
            run["mode"],
            ",".join(f"{name}={value}" for name, value in run["params"].items()),
            percent(run["headline"]["total_return"]),
            money(run["headline"]["equity_end"]),
            run["headline"]["fills"],
            run["journal"]["records"],
        )
        for run in runs
    ]
    lines = table(head, rows, right="return equity fills records")
    return Answer({"runs": runs}, [*lines, "", "Next: evenkeel report RUN; evenkeel why RUN/1"])


def report_answer(run: str | None, out: str | None) -> Answer:
    """Write the page of a run, beside its journal or to `out`."""
    folder = find(run, load_settings().paths.runs)
    page = Path(out) if out is not None else folder / "report.html"
    if page.is_dir():
        raise UsageError(f"--out {out} is a folder; name the file, such as {page / 'report.html'}")
    check_writable(page.parent)
    load(str(folder), folder.parent).report(page)
    body = {"run_id": folder.name, "report": str(page)}
    return Answer(body, [f"The report of {folder.name} is {shown(page)}; open it in a browser."])


def parity_answer(run: str | None) -> Answer:
    """Trade a run again, bar by bar through the paper runtime, and compare the journals."""
    from evenkeel.app.parity import parity

    folder = find(run, load_settings().paths.runs)
    result = load(str(folder), folder.parent)
    with beside_the_answer():
        found = parity(request_again(result), result.journal)
    body = {
        "run_id": folder.name,
        "equal": found.equal,
        "records": found.records,
        "head_hash": found.head_hash,
        "first_difference": None
        if found.equal
        else {"sequence": found.sequence, "run": found.first, "paper": found.second},
    }
    if found.equal:
        facts = pairs([("records", found.records), ("head hash", found.head_hash)])
        return Answer(body, [f"Equal: {folder.name} and its bars traded again on paper.", *facts])
    facts = pairs([("run", found.first or "(ended)"), ("paper", found.second or "(ended)")])
    return Answer(body, [f"Different from record {found.sequence} on.", *facts], exit_code=1)


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
        actions=[each for each in result.records if isinstance(each, Split | CashDividend)],
        data=result.manifest["data"],
    )
