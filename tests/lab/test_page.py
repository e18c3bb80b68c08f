"""The page about guests shows code that runs."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from tests.docs.test_docs import write_prices

pytest.importorskip("backtrader", reason="the extra [backtrader] is not installed")

import evenkeel as ek
from evenkeel.lab.backtrader import host

PAGE = Path(__file__).parents[2] / "docs" / "backtrader.md"


def test_the_page_about_guests_runs_from_top_to_bottom(tmp_path, monkeypatch):
    """Each block after the one before it, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    write_prices(tmp_path / "AAPL.csv")
    page = ModuleType("page")  # Backtrader looks up the module of a strategy
    monkeypatch.setitem(sys.modules, "page", page)
    names = vars(page)
    for code in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        exec(code, names)  # noqa: S102 - our own page
    assert len(names["result"].moves) > 3
    for guest in (host(names["weekly"], percents=30), host(names["Above"], period=10)):
        assert len(ek.backtest(guest, "AAPL.csv").moves) > 3
