"""What one can do with runs that are kept: list them, picture them."""

from __future__ import annotations

from pathlib import Path

from evenkeel.app.cli.shown import Answer, money, percent, shown, table
from evenkeel.app.runs import check_writable, find, list_runs, load
from evenkeel.domain.errors import UsageError
from evenkeel.ops.settings import load_settings


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
