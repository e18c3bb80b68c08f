"""A bot's file: complete, or refused with file and line."""

from decimal import Decimal

import pytest

from evenkeel.domain.errors import ConfigError
from evenkeel.domain.instrument import Instrument
from evenkeel.ops.bot_file import load_bot

BOT = """\
[bot]
name = "trend"
mode = "paper"

[account]
cash = 100000.10
currency = "USD"

[strategy]
path = "trend.py:Trend"
params = { fast = 10, slow = 30.5, on = true }

[limits]
order_quantity_max = "unlimited"
price_collar_max = 0.05
orders_per_day_max = 50

[data]
paths = ["spy.csv", "qqq.csv"]
instruments = ["SPY.ARCX", "QQQ"]
stamp = "end"

[execution]
costs = "ibkr-fixed"
slippage = "bps:1"
"""


@pytest.fixture
def bot(tmp_path):
    """Write the file with one text put in the place of another, and return its path."""

    def written(old="", new=""):
        assert old in BOT
        path = tmp_path / "bot.toml"
        path.write_text(BOT.replace(old, new, 1) if old else BOT, encoding="utf-8")
        return path

    return written


def test_a_complete_file_is_read(bot, tmp_path):
    found = load_bot(bot())
    assert (found.name, found.mode) == ("trend", "paper")
    assert (found.cash, found.currency) == (Decimal("100000.1"), "USD")
    assert found.strategy == f"{tmp_path / 'trend.py'}:Trend"
    assert found.params == {"fast": 10, "slow": 30.5, "on": True}
    assert found.limits == {
        "order_quantity_max": "unlimited",
        "price_collar_max": "0.05",
        "orders_per_day_max": "50",
    }
    assert found.data_paths == (tmp_path / "spy.csv", tmp_path / "qqq.csv")
    assert found.instruments == (Instrument("SPY.ARCX"), Instrument("QQQ.XXXX"))
    assert (found.stamp, found.costs, found.slippage) == ("end", "ibkr-fixed", "bps:1")
    assert found.path == tmp_path / "bot.toml"


def test_params_and_stamp_may_be_left_out(bot):
    assert load_bot(bot('stamp = "end"\n', "")).stamp == "start"
    assert load_bot(bot("params = { fast = 10, slow = 30.5, on = true }\n", "")).params == {}


def test_params_may_be_a_table_of_their_own(bot):
    path = bot("params = { fast = 10, slow = 30.5, on = true }\n", "[strategy.params]\nfast = 3\n")
    assert load_bot(path).params == {"fast": 3}


def test_a_strategy_may_be_in_a_package(bot):
    assert load_bot(bot("trend.py:Trend", "mine.trend:Trend")).strategy == "mine.trend:Trend"


def test_limits_may_be_in_a_file(bot, tmp_path):
    card = BOT[BOT.index("order_q") : BOT.index("\n\n[data]")]
    assert load_bot(bot(card, 'file = "limits.toml"')).limits == tmp_path / "limits.toml"


def test_one_path_needs_no_list(bot, tmp_path):
    found = load_bot(bot('["spy.csv", "qqq.csv"]', '"spy.csv"'))
    assert found.data_paths == (tmp_path / "spy.csv",)


def test_other_currencies_may_be_named(bot, tmp_path):
    """Numbers are taken as they are written; a file is one beside the bot's own."""
    rates = 'currency = "USD"\nfx = { EUR = 1.0853, JPY = 0.0064, GBP = "gbpusd.csv" }'
    found = load_bot(bot('currency = "USD"', rates))
    assert found.fx == {"EUR": "1.0853", "JPY": "0.0064", "GBP": tmp_path / "gbpusd.csv"}
    abroad = load_bot(bot('stamp = "end"', 'currency = "EUR"'))
    assert [each.currency for each in abroad.instruments] == ["EUR", "EUR"]
    mixed = load_bot(bot('"QQQ"]', '"VOD.XLON:currency=GBP"]'))
    assert [each.currency for each in mixed.instruments] == ["USD", "GBP"]
    assert load_bot(bot("costs =", 'fx_costs = "bps:3"\ncosts =')).fx_costs == "bps:3"
    silent = load_bot(bot())
    assert (silent.fx, silent.fx_costs) == ({}, "zero")
    assert [each.currency for each in silent.instruments] == ["USD", "USD"]


REFUSED = [
    *(
        ('currency = "USD"', f'currency = "USD"\nfx = {wrong}', r":8: account\.fx must be a table")
        for wrong in ("1.1", "{ EUR = 0 }", "{ EUR = true }", '{ EUR = "" }', "{ euro = 1.1 }")
    ),
    ('stamp = "end"', 'currency = "$"', r":21: data\.currency must be three capitals"),
    ('mode = "paper"', 'mode = "papr"', r':3: bot\.mode must be "paper" or "live", was .papr'),
    ('mode = "paper"', "mode = 5", r":3: bot\.mode must be"),
    ('name = "trend"', 'name = "../x"', r":2: bot\.name must be letters, digits"),
    ("cash = 100000.10", "cash = 0", r":6: account\.cash must be a number above 0, was 0"),
    ("cash = 100000.10", "cash = true", r":6: account\.cash must be"),
    ("cash = 100000.10", "cash = inf", r":6: account\.cash must be"),
    ('currency = "USD"', 'currency = "dollar"', r":7: account\.currency must be three capitals"),
    ("trend.py:Trend", "trend.py", r":10: strategy\.path must be path\.py:Class"),
    ('"trend.py:Trend"', "5", r":10: strategy\.path must be"),
    ("{ fast = 10, slow = 30.5, on = true }", "5", r":11: strategy\.params must be a table"),
    ('["spy.csv", "qqq.csv"]', "[]", r":19: data\.paths must be a list of files, was \[\]"),
    ('["spy.csv", "qqq.csv"]', "5", r":19: data\.paths must be a list of files"),
    ('["SPY.ARCX", "QQQ"]', "[5]", r":20: data\.instruments must be a list such as"),
    ("SPY.ARCX", "SPY.arc", r":20: instrument 'SPY\.arc': 'arc' is not a market code"),
    ('stamp = "end"', 'stamp = "middle"', r':21: data\.stamp must be "start" or "end"'),
    ('costs = "ibkr-fixed"', 'costs = ""', r":24: execution\.costs must be zero, bps:N"),
    ('slippage = "bps:1"', "slippage = 1", r":25: execution\.slippage must be none or bps:N"),
    ("mode =", "mod =", r":3: unknown key bot\.mod; did you mean 'mode'\?"),
    ("[execution]", "[exection]", r":23: unknown table \[exection\]; did you mean 'execution'"),
    ("order_quantity_max", 'file = "x"\norder', r":14: \[limits\] is a whole card or names one"),
    ("[bot]", "[bot", " is not TOML"),
]


@pytest.mark.parametrize(("old", "new", "said"), REFUSED)
def test_a_wrong_value_is_refused_with_its_line_and_law(bot, old, new, said):
    with pytest.raises(ConfigError, match=r"bot\.toml" + said):
        load_bot(bot(old, new))


@pytest.mark.parametrize(
    ("old", "missing"),
    [
        ('mode = "paper"\n', "bot.mode"),
        ("cash = 100000.10\n", "account.cash"),
        ('costs = "ibkr-fixed"\n', "execution.costs"),
        ('[bot]\nname = "trend"\nmode = "paper"\n', r"\[bot\]"),
        (BOT[BOT.index("[limits]") : BOT.index("[data]")], r"\[limits\]"),
    ],
)
def test_an_incomplete_file_is_refused_with_all_that_is_missing(bot, old, missing):
    with pytest.raises(ConfigError, match=f"complete or does not run; missing {missing}$"):
        load_bot(bot(old, ""))


def test_no_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"bot\.toml cannot be read: No such file"):
        load_bot(tmp_path / "bot.toml")
