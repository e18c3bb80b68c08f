"""An account that trades abroad: every cent is converted at a rate that stands in the journal."""

from decimal import Decimal

import pandas as pd
import pytest
from tests.engine.market import HOUR, X, Y, bars, card, scripted

import evenkeel as ek
from evenkeel.app.backtest import execute, rates_of
from evenkeel.app.paper import replay
from evenkeel.app.setup import request
from evenkeel.app.why import why
from evenkeel.domain.errors import UsageError
from evenkeel.domain.events import BorrowFeeCharged, CashDividend, CurrencyConverted, MarginCalled
from evenkeel.domain.fill import Fill
from evenkeel.domain.fx import FxRates, written
from evenkeel.domain.verdict import Approved, Refused
from evenkeel.journal.chain import links
from evenkeel.journal.log import MemoryJournal
from evenkeel.journal.replay import replay as booked
from evenkeel.ledger.book import Book

D = Decimal
STEPS = f"{1 * HOUR}:1.10,{3 * HOUR}:1.20"


def run(strategy, *histories, fx=None, actions=(), check_curve=True, **wished):
    """One run three ways, the same journal; and the curve that is the ledger's."""
    wanted = request(
        strategy(),
        list(histories),
        **{"cash": "10000", "costs": "zero", "slippage": "none", "limits": card(), **wished},
        actions=actions,
        fx=fx or {"EUR": STEPS},
    )
    result = execute(wanted)
    lines = [each.line for each in links(result.records)]
    assert [each.line for each in links(execute(wanted, jump=False).records)] == lines
    assert [each.line for each in links(replay(wanted, MemoryJournal(), segment=1))] == lines
    if check_curve:
        assert result.curve.equity[-1] == pytest.approx(float(result.ended.equity))
    instruments = {name: each.instrument for name, each in result.bars.items()}
    booked(result.journal.lines(), lambda one: Book(one.cash, one.currency, instruments))
    return result


def of(kind, result):
    return [record for record in result.records if isinstance(record, kind)]


def abroad(*closes, **facts):
    return bars(*closes, currency="EUR", **facts)


BUY = scripted({0: lambda s: s.buy(10)})


def test_what_a_purchase_leaves_owing_is_bought_at_the_rate_of_its_bar():
    """10 at 10 EUR on the second bar at 1.10: 110 dollars; worth 1.20 later."""
    result = run(BUY, abroad(10, 10, 10, 11))
    assert of(CurrencyConverted, result) == [
        CurrencyConverted(2 * HOUR, D("110.000"), "USD", D("100.0"), "EUR", D("1.10"))
    ]
    assert result.ended.equity == 10_000 - 110 + D("1.2") * 110
    assert result.curve.equity.tolist() == pytest.approx([10000, 10000, 10010, 10022])


def test_what_a_sale_brings_in_is_sold():
    result = run(
        scripted({0: lambda s: s.buy(10), 2: lambda s: s.sell(10)}), abroad(10, 10, 10, 10)
    )
    _, back = of(CurrencyConverted, result)
    assert (back.sold, back.sold_currency, back.bought) == (100, "EUR", 120)
    assert result.ended.equity == 10_010
    assert result.positions == {}


def test_commission_and_costs_are_told_in_the_accounts_money():
    result = run(BUY, abroad(10, 10, 10, 10), costs="per-order:5")
    assert result.costs()["commission"] == pytest.approx(5.5)
    assert result.gross_metrics["total_return"] * 10_000 == pytest.approx(20 - 10 + 0, abs=0.51)


def test_changing_money_costs_what_its_tariff_says():
    """100 EUR at 1.10 bought for 110 and 3 bp; 100 EUR at 1.20 sold for 120 less 3 bp."""
    result = run(
        scripted({0: lambda s: s.buy(10), 2: lambda s: s.sell(10)}),
        abroad(10, 10, 10, 10),
        fx_costs="bps:3",
    )
    bought, sold = of(CurrencyConverted, result)
    assert (bought.sold, bought.bought, bought.cost) == (D("110.033"), 100, D("0.033"))
    assert (sold.sold, sold.bought, sold.cost) == (100, D("119.964"), D("0.036"))
    assert result.ended.equity == D(10_010) - D("0.069")
    assert result.costs()["commission"] == pytest.approx(0.069)
    assert result.gross_metrics["total_return"] == pytest.approx(0.001)
    assert result.started.settings["fx-costs"] == "bps:3"


def test_nobody_pays_two_dollars_to_be_rid_of_one():
    """A dividend of 0.90 EUR stays in euros; the next one, at 1.20, is worth changing with it."""
    pay = [CashDividend(X, at * HOUR, D("0.09"), "EUR") for at in (3, 4)]
    result = run(BUY, abroad(10, 10, 10, 10, 10), actions=tuple(pay), fx_costs="per-order:2")
    _, change = of(CurrencyConverted, result)
    assert (change.sold, change.bought, change.cost) == (D("1.8"), D("0.16"), 2)


def test_what_is_too_little_to_change_is_worth_something_all_the_same():
    """10 shares for 112 dollars, worth 120 later; and 0.90 EUR, which are 1.08."""
    pay = CashDividend(X, 3 * HOUR, D("0.09"), "EUR")
    result = run(BUY, abroad(10, 10, 10, 10), actions=(pay,), fx_costs="per-order:2")
    assert result.ended.equity == D("10009.08")
    assert result.curve.equity[2:].tolist() == pytest.approx([10_008, 10_009.08])


@pytest.mark.parametrize(
    ("wished", "said"),
    [
        ({"fx_costs": "ibkr-fixed"}, "fx costs can be zero, bps:3 or per-order:2"),
        ({"fx_costs": "bps:3", "fx": {}}, "are for runs with rates"),
    ],
)
def test_costs_of_changing_that_make_no_sense_are_refused(wished, said):
    home = bars(10, 10)
    with pytest.raises(UsageError, match=said):
        request(BUY(), [home], **{"fx": {"EUR": "1.1"}, **wished})


def test_limits_and_sizes_are_in_the_accounts_money():
    """Half of 10,000 dollars at 10 EUR and 1.10 are 454 shares, not 500."""
    result = run(
        scripted({0: lambda s: s.target_weight(0.5)}), abroad(10, 10, 10), fx={"EUR": "1.10"}
    )
    (order,) = [each.order for each in of(Approved, result)]
    assert order.quantity == 454
    dear = run(BUY, abroad(10, 10, 10), fx={"EUR": "1.10"}, limits=card(order_notional_max=105))
    (refused,) = of(Refused, dear)
    assert (refused.reason.value, refused.observed) == ("order_notional_max", 110)


def test_what_is_held_abroad_counts_beside_what_is_bought_at_home():
    """100 EUR are 200 dollars at 2, and with 100 dollars more 300."""
    plan = {
        0: lambda s: s.instrument.id == X and s.buy(10),
        2: lambda s: s.instrument.id == Y and s.buy(10),
    }
    histories, limits = (
        (abroad(10, 10, 10, 10), bars(*[10] * 4, name=Y)),
        card(gross_exposure_max=299),
    )
    (refused,) = of(Refused, run(scripted(plan), *histories, fx={"EUR": "2"}, limits=limits))
    assert (refused.order.instrument, refused.observed) == (Y, 300)


def test_a_position_is_seen_in_the_accounts_money():
    seen = []
    look = scripted(
        {
            0: lambda s: s.buy(10),
            2: lambda s: seen.append((s.position.market_value, s.position.unrealized_pnl)),
        }
    )
    run(look, abroad(10, 10, 12), fx={"EUR": "1.10"})
    assert seen[0] == pytest.approx((132, 22))


def test_before_its_first_rate_nothing_can_be_traded():
    result = run(BUY, abroad(10, 10, 10), fx={"EUR": f"{2 * HOUR}:1.1"})
    assert [each.reason.value for each in of(Refused, result)] == ["instrument_not_tradable"]


def test_a_dividend_from_abroad_is_converted():
    result = run(BUY, abroad(10, 10, 10, 10), actions=(CashDividend(X, 3 * HOUR, D("0.5"), "EUR"),))
    assert of(CurrencyConverted, result)[1].bought == 6
    assert result.ended.equity == 10_000 - 110 + 120 + 6


def test_money_of_which_nobody_knows_the_worth_stays_and_leaves_equity_unknown():
    result = run(
        scripted({0: lambda s: s.buy(10), 3: lambda s: s.buy(1)}),
        bars(10, 10, 10, 10, 10),
        actions=(CashDividend(X, 3 * HOUR, D("0.5"), "GBP"),),
        check_curve=False,
    )
    assert not of(CurrencyConverted, result)
    assert of(Refused, result)
    assert result.ended.equity is None
    assert str(result.equity_end) == "nan"
    assert result.summary()["equity_end"] is None
    assert b"equity" not in list(result.journal.lines())[-1]


def test_home_and_abroad_side_by_side():
    result = run(BUY, abroad(10, 10, 10, 11), bars(10, 10, 10, 12, name=Y))
    assert result.ended.equity == 10_000 - 110 + 132 + 20
    assert len(of(CurrencyConverted, result)) == 1


def test_loans_abroad_cost_and_are_covered_in_the_accounts_money():
    days = abroad(10, 10, 10, 10, start=24, step=24)
    short = run(
        scripted({0: lambda s: s.sell(100)}), days, fx={"EUR": "1.2"}, borrow="36", margin="reg-t"
    )
    first, _ = of(BorrowFeeCharged, short)
    assert (first.value, first.amount, first.currency) == (1200, D("1.2"), "USD")
    called = run(
        scripted({0: lambda s: s.buy(1500)}),
        abroad(10, 10, 10, 10),
        fx={"EUR": f"0:1.1,{3 * HOUR}:0.5"},
        margin="reg-t",
    )
    assert of(MarginCalled, called)[0].at == 3 * HOUR
    assert of(MarginCalled, called)[0].required == 1875


def test_why_knows_the_rates():
    result = run(BUY, abroad(10, 10, 10))
    assert why(result, 1)["account"]["equity"] == "10000"
    assert [fill.commission for fill in result.moves if isinstance(fill, Fill)] == [0]


def test_without_a_rate_a_foreign_share_is_refused_with_what_to_do():
    with pytest.raises(UsageError, match=r"X.XXXX trades in EUR and the account is in USD; give"):
        request(BUY(), [abroad(10, 10)])


# ---- where rates come from -------------------------------------------------------------------


def test_rates_are_a_number_or_the_closes_of_prices(tmp_path):
    assert rates_of(1.1) == "1.1"
    assert rates_of("1.1") == "1.1"
    days = pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04"], tz="UTC")
    closes = [1.1, 1.1, 1.2]
    frame = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), closes), index=days)
    rates = FxRates.from_texts({"EUR": rates_of(frame)})
    times, worth = rates.steps("EUR")
    assert worth == [D("1.1"), D("1.2")]
    file = tmp_path / "eur.csv"
    frame.rename_axis("date").to_csv(file)
    assert rates_of(str(file)) == rates_of(frame)
    at = times[1]
    assert (rates.at("EUR", at - 1), rates.at("EUR", at), rates.at("GBP", at)) == (
        D("1.1"),
        D("1.2"),
        None,
    )


def test_a_series_is_written_without_what_changes_nothing():
    assert written([1, 2, 3], [D(1), D("1.0"), D(2)]) == "1:1,3:2"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("one", "'one' is not a rate"),
        ("0", "must be above 0"),
        ("nan", "must be above 0"),
        ("5:1,5:2", "one after the other"),
        ("x:1", "'x:1' is not a rate"),
    ],
)
def test_a_wrong_rate_is_told(text, says):
    with pytest.raises(UsageError, match=says):
        FxRates.from_texts({"EUR": text})


def test_the_package_takes_rates():
    days = pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04"])
    frame = pd.DataFrame(
        {name: [10.0, 10.0, 11.0] for name in ("open", "high", "low", "close")}, index=days
    )
    sap = ek.Instrument("SAP.XXXX", currency="EUR")
    result = ek.backtest(BUY, frame, instrument=sap, costs="zero", slippage="none", fx={"EUR": 1.1})
    assert result.ended.equity == D("100011")
