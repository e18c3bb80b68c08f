"""What the same fills come to at other costs, against sums done by hand."""

import pytest
from tests.reports.story import approved, bars, fill, order, result

from evenkeel.app.cli.told import run_lines
from evenkeel.domain.order import Side

BUY, SELL = Side.BUY, Side.SELL


def run(last=12, **money):
    """1,000 buys 50 at 10, and sells them on the third day at `last`; each fill costs 7 in all."""
    money = money or {"commission": "4", "fees": "2", "slippage": "1"}
    bought, sold = order(1, BUY, 50), order(2, SELL, 50, on=1)
    charged = 2 * (float(money["commission"]) + float(money.get("fees", 0)))
    return result(
        [
            approved(bought),
            fill(1, BUY, 50, 10, on=1, **money),
            approved(sold),
            fill(2, SELL, 50, last, on=2, **money),
        ],
        bars([10, 10, last, last]),
        equity=str(500 + 50 * last - charged),
        run_id="r",
        wall_seconds=None,
    )


def test_each_case_is_what_the_fills_come_to_at_that_multiple_of_all_costs():
    cases = run().cost_sensitivity["cases"]
    assert [case["multiple"] for case in cases] == [0, 1, 2, 5]
    # gross: 100 gained, of which slippage was 2 and what was charged 12
    assert [case["equity_end"] for case in cases] == pytest.approx([1102, 1088, 1074, 1032])
    assert cases[3]["total_return"] == pytest.approx(0.032)
    assert cases[0]["max_drawdown"] == 0


def test_as_they_are_is_the_run_itself_and_nothing_is_the_run_before_costs():
    made = run()
    nothing, as_they_are = made.cost_sensitivity["cases"][:2]
    for name in ("total_return", "cagr", "sharpe", "max_drawdown"):
        assert as_they_are[name] == pytest.approx(made.metrics[name])
        assert nothing[name] == pytest.approx(made.gross_metrics[name])


def test_break_even_is_the_multiple_at_which_nothing_is_left():
    assert run().cost_sensitivity["break_even"] == pytest.approx(102 / 14)


def test_there_is_no_break_even_without_costs_or_without_a_gain_before_them():
    assert run(commission="0").cost_sensitivity["break_even"] is None
    assert run(last=9).cost_sensitivity["break_even"] is None


def test_fees_are_told_beside_commission_everywhere():
    made = run()
    assert made.costs() == {"commission": 8, "slippage": 2, "fees": 4}
    assert made.fills["fees"].tolist() == [2, 2]
    assert made.trades["fees"].tolist() == [4]
    assert made.trades["net_pnl"].tolist() == [88]


def test_the_command_line_says_it_in_one_line():
    (line,) = [line for line in run_lines(run().summary()) if "if costs were" in line]
    assert "nothing +10.20%, ×2 +7.40%, ×5 +3.20% (the same fills, priced again)" in line
    assert "nothing is left at ×7.3" in line
    (paid,) = [line for line in run_lines(run().summary()) if line.strip().startswith("costs")]
    assert "commission 8.00, slippage 2.00, fees 4.00" in paid
