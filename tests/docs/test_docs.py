"""What the documentation shows works: its code runs, its commands answer, its links lead somewhere."""

import re
import sys
from datetime import UTC, date, datetime, timedelta
from io import BytesIO, TextIOWrapper
from math import isfinite, sin
from pathlib import Path
from shutil import copyfile

import pytest
from tests.ops.vault.kept import CHEAP

import evenkeel as ek
from evenkeel.app.cli import main
from evenkeel.ops.vault.unlock import key_source
from evenkeel.risk.limits import BOUNDED_ELSEWHERE

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "first_strategy.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DIFFER = 1
"""The exit code of a parity that found a difference."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, as a reader has one; what is imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def blocks(page):
    """Return a page's fenced blocks: language and text."""
    return FENCE.findall(page.read_text(encoding="utf-8"))


def write_prices(path, *, swing=25):
    """Write 400 daily bars that swing, so that averages cross."""
    rows = ["date,open,high,low,close,volume"]
    for number in range(400):
        day = date(2020, 1, 1) + timedelta(days=number)
        middle = 100 + 20 * sin(number / swing)
        rows.append(
            f"{day},{middle:.2f},{middle + 1:.2f},{middle - 1:.2f},{middle + 0.5:.2f},90000"
        )
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def run_python(code, folder, name):
    """Run a block as a reader would; one that opens with `# name.py` is first saved under it."""
    saved = re.match(r"# (\w+\.py)\n", code)
    if saved:
        (folder / saved[1]).write_text(code, encoding="utf-8")
    exec(compile(code, name, "exec"), {"__name__": name})  # noqa: S102 - our own pages


def run_command(line, folder):
    """Run a line such as `evenkeel why 1`; a placeholder stands for the newest run."""
    newest = max((path.name for path in (folder / "runs").glob("*")), default="")
    command, *words = re.sub(r"<[^>]*>", newest, line).split()
    if command == "cp":
        copyfile(*words)
        return 0
    assert command == "evenkeel", line
    return main(words)


def test_the_strategy_of_the_readme_trades_and_reports(folder, capsys):
    write_prices(folder / "prices.csv")
    codes = [code for language, code in blocks(README) if language == "python"]
    assert codes
    for code in codes:
        run_python(code, folder, "readme")
    sharpe, fills = capsys.readouterr().out.split()
    assert isfinite(float(sharpe))
    assert int(fills) > 0
    assert "</html>" in (folder / "report.html").read_text(encoding="utf-8")
    (command,) = re.findall(
        r"`(evenkeel backtest my\.py[^`]*)`", README.read_text(encoding="utf-8")
    )
    assert run_command(command, folder) == 0


@pytest.mark.uncounted
def test_every_step_of_the_tutorial_works_in_its_order(folder):
    """Commands end with 0; but the strategy that cheats is found out, as the page promises."""
    steps, cheats = 0, False
    for language, text in blocks(TUTORIAL):
        if language == "python":
            run_python(text, folder, "tutorial")
            steps += 1
            continue
        for line in text.splitlines():
            cheats = cheats or "Cheat" in line
            expected = DIFFER if cheats and " parity " in line else 0
            assert run_command(line, folder) == expected, line
            steps += 1
    assert cheats
    assert steps > 10
    assert (folder / "first" / "report.html").is_file()


def test_the_page_on_orders_places_one_of_each(folder):
    """Its strategy runs, and its orders are the ones that it says."""
    write_prices(folder / "prices.csv")
    for language, text in blocks(ROOT / "docs" / "orders.md"):
        if language == "python":
            run_python(text, folder, "orders")
            continue
        for line in text.splitlines():
            assert run_command(line, folder) == 0, line
    sys.path_importer_cache.clear()
    orders = ek.backtest("orders.py:EveryKind", "prices.csv").orders
    assert {"MARKET_ON_OPEN", "LIMIT_ON_CLOSE", "TRAILING_STOP"} <= set(orders["type"])
    assert {"OPG", "IOC", "GTD", "DAY", "GTC"} == set(orders["tif"])
    assert {"FILLED", "CANCELED", "REPLACED"} <= set(orders["status"])


def write_minutes(path):
    """Write three sessions of New York's: each rises from 10:30 to 12:30, and falls."""
    rows = ["time,open,high,low,close,volume"]
    for day in (9, 10, 11):
        for minute in range(0, 390, 5):
            at = datetime(2024, 1, day, 14, 30, tzinfo=UTC) + timedelta(minutes=minute)
            price = 100 + max(0, 60 - abs(minute - 120)) / 60
            rows.append(f"{at},{price},{price + 0.1},{price - 0.1},{price},90000")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def test_the_strategies_of_the_page_on_strategies_trade(folder, capsys):
    write_prices(folder / "prices.csv")
    write_prices(folder / "others.csv", swing=20)
    write_minutes(folder / "minutes.csv")
    for language, text in blocks(ROOT / "docs" / "strategies.md"):
        if language == "python":
            run_python(text, folder, "strategies")
            continue
        for line in text.splitlines():
            assert run_command(line, folder) == 0, line
            assert re.search(r"filled [1-9]", capsys.readouterr().out), line
    sys.path_importer_cache.clear()
    fills = ek.backtest("opening.py:Opening", "minutes.csv", instrument="SPY.ARCX").fills
    assert fills["side"].tolist() == ["BUY", "SELL"] * 3


def test_the_page_on_running_shows_settings_that_hold_and_commands_that_answer(
    folder, capsys, monkeypatch
):
    """Its TOML is one file; its passphrase comes from a file, as on a machine without people."""
    page = ROOT / "docs" / "running.md"
    monkeypatch.setitem(key_source.__kwdefaults__, "costs", CHEAP)
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"a key"), encoding="utf-8"))
    (folder / "passphrase").write_text("five words nobody put together")
    (folder / "passphrase").chmod(0o600)
    (folder / "evenkeel.toml").write_text(
        "\n".join(
            text
            for language, text in blocks(page)
            if language == "toml" and not re.match(r"# \w+\.toml", text)
        )
    )
    (folder / "evenkeel.local.toml").write_text('[vault]\nunlock = "file:passphrase"\n')
    lines = [
        line for language, text in blocks(page) if language == "bash" for line in text.splitlines()
    ]
    assert len(lines) >= 7
    for line in lines:
        assert run_command(line, folder) == 0, line
    out = capsys.readouterr().out
    assert "evenkeel.toml:" in out
    assert "alpha_vantage.key" in out


def test_the_limit_card_of_the_page_on_running_is_whole_and_lets_its_strategy_trade(folder, capsys):
    page = ROOT / "docs" / "running.md"
    write_prices(folder / "prices.csv")
    (card,) = (text for _, text in blocks(page) if text.startswith("# limits.toml"))
    (folder / "limits.toml").write_text(card)
    line, _ = (text for language, text in blocks(page) if not language)
    assert run_command(line, folder) == 0
    said = capsys.readouterr().out
    assert re.search(r"filled [1-9]", said)
    assert "refused" not in said
    assert "permissive" not in said
    assert sorted(re.findall(r'^(\w+) = "unlimited"', card, re.MULTILINE)) == sorted(
        BOUNDED_ELSEWHERE
    )


def test_the_bot_of_the_page_on_running_trades_as_a_backtest_of_its_bars(folder, capsys):
    page = ROOT / "docs" / "running.md"
    write_prices(folder / "prices.csv")
    for language, text in blocks(page):
        if language == "toml" and (named := re.match(r"# (\w+\.toml)", text)):
            (folder / named[1]).write_text(text)
    (lines,) = (text for language, text in blocks(page) if not language and "bot.toml" in text)
    for line in lines.splitlines():
        assert run_command(line, folder) == 0, line
    paper, backtest = re.findall(r"^  run +(\S+)", capsys.readouterr().out, re.MULTILINE)
    assert run_command(f"evenkeel parity {backtest} {paper}", folder) == 0
    assert "Equal: " in capsys.readouterr().out


def test_every_command_of_the_readme_explains_itself(capsys):
    commands = re.findall(
        r"^\| `evenkeel ([a-z- ]+?)(?: [A-Z-].*?)?`", README.read_text(), re.MULTILINE
    )
    assert len(commands) >= 10
    for command in commands:
        assert main([*command.split(), "--help"]) == 0, command
        assert f"evenkeel {command}" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_decisions_are_numbered_once_and_fit_on_a_page():
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [page.name[:4] for page in pages]
    assert len(set(numbers)) == len(numbers)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {page.name[:4]} "), page.name
        assert [
            each for each in ("Context", "Choice", "Consequences") if f"\n## {each}" not in text
        ] == []
        assert len(text.splitlines()) <= 60, page.name
