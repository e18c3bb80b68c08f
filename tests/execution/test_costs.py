"""What an order costs, against the broker's own examples and lines of real statements."""

from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenkeel.domain.errors import UsageError
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument import Instrument
from evenkeel.domain.order import Side
from evenkeel.execution.costs import (
    BasisPoints,
    Charge,
    IbkrFixed,
    IbkrTiered,
    PerOrder,
    PerShare,
    Traded,
    Zero,
    itemized,
    parse_costs,
    us_fees,
)

D = Decimal


def at(day, clock="15:59:00"):
    """A moment of New York's winter, in UTC nanoseconds."""
    return int(datetime.fromisoformat(f"{day}T{clock}-05:00").timestamp()) * 10**9


def fill(meter, day, side, quantity, price, *, before=None, order_id=1, **facts):
    """Show a fill to a meter; `before` is (quantity, value, commission) of the order's earlier ones."""
    quantity, value = D(quantity), D(quantity) * D(price)
    filled, worth, charged = (D(each) for each in before or (0, 0, 0))
    return meter.charge(
        Traded(
            order_id=order_id,
            instrument=facts.pop("instrument", Instrument("ANY.XNYS")),
            at=day if isinstance(day, int) else at(day),
            buy=side == "BUY",
            quantity=quantity,
            value=value,
            order_quantity=filled + quantity,
            order_value=worth + value,
            charged=charged,
            **facts,
        )
    )


def total(charge):
    return charge.commission + charge.fees


# ---- flat ------------------------------------------------------------------------------------


def test_basis_points_are_exact_and_never_rounded():
    cost = BasisPoints(D("2.5")).commission(quantity=D(3), notional=D("33333.33"))
    assert cost == D("8.3333325")


def test_free_is_free():
    assert Zero().commission(quantity=D(3), notional=D(300)) == 0


@pytest.mark.parametrize(("quantity", "cost"), [("1000", "7"), ("100", "1"), ("142", "1")])
def test_per_share_has_a_minimum(quantity, cost):
    model = PerShare(D("0.007"), minimum=D(1))
    assert model.commission(quantity=D(quantity), notional=D(1)) == D(cost)


def test_per_order_is_the_same_however_much_it_fills():
    model = PerOrder(D("9.99"))
    assert model.commission(quantity=D(1), notional=D(1)) == D("9.99")
    assert model.commission(quantity=D(10**6), notional=D(10**8)) == D("9.99")


# ---- Interactive Brokers, fixed --------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "price", "cost"),
    [
        # Interactive Brokers, Commissions, Stocks, Fixed, United States: the page's own examples
        ("100", "25", "1.00"),
        ("1000", "25", "5.00"),
        ("1000", "0.25", "2.50"),  # 1 % of 250
        ("10", "0.20", "0.02"),  # 1 % of 2 is less than the minimum, and wins
        # on both edges
        ("200", "25", "1.00"),
        ("201", "25", "1.005"),
        ("4", "25", "1.00"),
        ("3", "25", "0.75"),
    ],
)
def test_ibkr_fixed_is_per_share_with_a_minimum_and_a_most(quantity, price, cost):
    notional = D(quantity) * D(price)
    assert IbkrFixed().commission(quantity=D(quantity), notional=notional) == D(cost)


@pytest.mark.parametrize(
    ("day", "side", "quantity", "price", "printed"),
    [
        # lines of real statements: what stands under "Comm/Fee", to its last digit
        ("2018-11-09", "SELL", 2000, "6.6415", "10.410679"),
        ("2021-01-27", "SELL", 500, "7.45", "2.6418225"),
        ("2021-10-06", "BUY", 80, "14.24", "1"),
        ("2021-10-07", "SELL", 80, "16.13", "1.01610104"),
        ("2021-11-23", "BUY", 50, "39.83", "1"),
        ("2021-11-30", "SELL", 50, "33.8", "1.014569"),
        ("2021-12-10", "SELL", 10, "624.83", "1.03305633"),
        ("2021-12-10", "BUY", 10, "632.37", "1"),
        ("2025-10-30", "BUY", 100, "17.19", "1.0022"),
        ("2025-10-30", "BUY", 30, "68.41", "1.00066"),
        ("2025-10-30", "BUY", 20, "260.19", "1.00044"),
        ("2025-10-30", "BUY", 5, "628.83", "1.00011"),
        ("2025-10-31", "BUY", 80, "260.19", "1.00176"),
        ("2025-10-31", "SELL", 100, "17.195", "1.0188"),
        ("2025-10-31", "SELL", 30, "68.13", "1.00564"),
        ("2025-10-31", "SELL", 5, "627.69", "1.00094"),
        ("2025-10-31", "SELL", 80, "260.15", "1.01504"),
    ],
)
def test_ibkr_fixed_comes_out_to_the_last_printed_digit(day, side, quantity, price, printed):
    assert total(fill(IbkrFixed().meter(), day, side, quantity, price)) == D(printed)


def test_the_second_fill_of_an_order_pays_no_second_minimum_as_on_the_statement():
    """2025-10-31, 100 shares in two: 80 paid 1.01504, and the 20 after them 0.00376."""
    meter = IbkrFixed().meter()
    first = fill(meter, "2025-10-31", "SELL", 80, "260.15")
    before = (80, 80 * D("260.15"), first.commission)
    second = fill(meter, "2025-10-31", "SELL", 20, "260.15", before=before)
    assert (total(first), total(second)) == (D("1.01504"), D("0.00376"))


@pytest.mark.parametrize(
    ("day", "rate"),
    [
        ("2001-12-27", "33.3"),
        ("2018-05-21", "23.1"),
        ("2018-05-22", "13"),
        ("2019-04-15", "13"),
        ("2019-04-16", "20.7"),
        ("2021-02-24", "22.1"),
        ("2021-02-25", "5.1"),
        ("2022-05-13", "5.1"),
        ("2022-05-14", "22.9"),
        ("2023-02-27", "8"),
        ("2024-05-22", "27.8"),
        ("2025-05-13", "27.8"),
        ("2025-05-14", "0"),
        ("2026-04-04", "20.6"),
    ],
)
def test_the_sec_fee_of_a_sale_is_that_of_its_day(day, rate):
    """Of a million dollars and almost no shares, so that the other fees vanish."""
    fees = fill(IbkrFixed().meter(), day, "SELL", "0.000001", 10**12).fees
    assert fees.quantize(D("0.0001")) == D(rate)


@pytest.mark.parametrize(
    ("day", "rate", "most"),
    [
        ("2002-09-30", "0", "0"),
        ("2012-06-30", "0.000095", "4.75"),
        ("2021-12-31", "0.000119", "5.95"),
        ("2022-01-01", "0.000130", "6.49"),
        ("2023-01-03", "0.000145", "7.27"),
        ("2024-01-02", "0.000166", "8.30"),
        ("2026-09-30", "0.000195", "9.79"),
        ("2026-10-01", "0", "0"),
    ],
)
def test_finra_takes_so_much_a_share_sold_and_no_more_than_its_most(day, rate, most):
    def sold(quantity):
        sale = fill(IbkrFixed().meter(), day, "SELL", quantity, "0.0001")
        bought = fill(IbkrFixed().meter(), day, "BUY", quantity, "0.0001")
        return sale.fees - bought.fees  # the audit trail takes from both

    nearly = D("0.0001") * D("0.0000334")  # the SEC's part of so little money
    assert abs(sold(1000) - 1000 * D(rate)) < 1000 * nearly
    assert abs(sold(10**6) - D(most)) < 10**6 * nearly


def test_a_day_ends_at_midnight_in_new_york():
    tariff = IbkrFixed()
    before = fill(tariff.meter(), at("2021-02-24", "23:59:59"), "SELL", 1, "1000000").fees
    after = fill(tariff.meter(), at("2021-02-25", "00:00:00"), "SELL", 1, "1000000").fees
    assert (before, after) == (D("22.100119"), D("5.100119"))


def test_outside_the_us_and_in_other_money_there_are_no_us_fees():
    for instrument in (Instrument("SAP.XETR", "EUR"), Instrument("RIO.XLON", "USD")):
        meter = IbkrFixed().meter()
        charge = fill(meter, "2021-12-10", "SELL", 10, "624.83", instrument=instrument)
        assert charge == (D("1.00"), 0)


@pytest.mark.parametrize("market", ["XNYS", "XXXX", "OTCM", "OOTC"])
def test_over_the_counter_and_without_a_market_dollars_count_as_american(market):
    meter, share = IbkrFixed().meter(), Instrument(f"AVGO.{market}")
    charge = fill(meter, "2021-12-10", "SELL", 10, "624.83", instrument=share)
    assert total(charge) == D("1.03305633")


@pytest.mark.parametrize("tariff", [IbkrFixed(), IbkrTiered()])
def test_a_day_outside_the_tables_is_refused_with_what_to_do(tariff):
    meter, us = tariff.meter(), Instrument("ANY.XNAS")
    with pytest.raises(
        UsageError, match=r"CAT fee of 2027-01-01 is not known: .* until 2026-12-31"
    ):
        fill(meter, "2027-01-01", "SELL", 1, 1)
    with pytest.raises(UsageError, match=r"fees of 1934-09-30 are not known.*begin on 1934-10-01"):
        fill(meter, "1934-09-30", "SELL", 1, 1)
    tariff.check(us, at("1934-10-01"), at("2026-12-31"))
    with pytest.raises(UsageError, match="2027-01-01"):
        tariff.check(us, at("2026-12-31"), at("2027-01-01"))
    tariff.check(Instrument("SAP.XETR", "EUR"), at("1930-01-02"), at("2040-01-02"))


@pytest.mark.parametrize(
    ("tariff", "day", "side", "quantity", "price", "taken"),
    [
        # four of the statements' lines, taken apart by the authorities' own tables
        (IbkrFixed(), "2025-10-30", "BUY", 100, "17.19", {"CAT": "0.0022"}),
        (IbkrFixed(), "2025-10-31", "SELL", 100, "17.195", {"TAF": "0.0166", "CAT": "0.0022"}),
        (IbkrFixed(), "2021-12-10", "SELL", 10, "624.83", {"SEC": "0.03186633", "TAF": "0.00119"}),
        (
            IbkrTiered(remove=D("0.000005")), "2025-07-31", "BUY", 5, "69.12",
            {"clearing": "0.001", "NYSE": "0.00006125", "FINRA": "0.000196", "CAT": "0.00011",
             "exchange": "0.000025"},
        ),
        (BasisPoints(D(10)), "2025-10-31", "SELL", 100, "17.195", {}),
    ],
)  # fmt: skip
def test_fees_are_told_by_who_takes_them(tariff, day, side, quantity, price, taken):
    if hasattr(tariff, "meter"):
        charge = fill(tariff.meter(), day, side, quantity, price)
    else:
        charge = Charge(D(1), D(0))
    done = Fill("f", 1, "ANY.XNYS", Side(side), D(quantity), D(price), "USD", at(day),
                charge.commission, fees=charge.fees)  # fmt: skip
    found = itemized(tariff, done, Instrument("ANY.XNYS"))
    assert found == {taker: D(fee) for taker, fee in taken.items()}
    assert sum(found.values()) == charge.fees


def test_a_fee_that_no_table_explains_is_told_as_other():
    """Such as one of a version of ours with other tables."""
    done = Fill("f", 1, "SAP.XETR", Side.BUY, D(1), D(1), "EUR", at("2025-01-02"), fees=D("0.5"))
    assert itemized(IbkrFixed(), done, Instrument("SAP.XETR", "EUR")) == {"other": D("0.5")}


# ---- Interactive Brokers, tiered -------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "tariff", "resting", "quantity", "printed"),
    [
        # the broker's page "Fixed vs. Tiered Pricing Comparison Examples", of 2023 and of 2013:
        # sales at 5 dollars
        ("2023-06-01", IbkrTiered(add=D("-0.0021")), True, 30_000_000, "-13811.9"),
        ("2023-06-01", IbkrTiered(), False, 30_000_000, "139188.1"),
        ("2023-06-01", IbkrTiered(), False, 200_000, "1355.78"),
        ("2013-09-03", IbkrTiered(add=D("-0.0021")), True, 30_000_000, "-12403.2"),
        ("2013-09-03", IbkrTiered(), False, 30_000_000, "140596.8"),
        ("2013-09-03", IbkrTiered(), False, 200_000, "1363.86"),
    ],
)
def test_ibkr_tiered_gives_the_brokers_own_examples(day, tariff, resting, quantity, printed):
    charge = fill(tariff.meter(), day, "SELL", quantity, 5, resting=resting)
    printed = D(printed)
    assert total(charge).quantize(printed) == printed


@pytest.mark.parametrize(
    ("day", "side", "quantity", "price", "exchange", "printed"),
    [
        # lines of real statements; what the exchange took follows from the line itself
        ("2025-10-20", "BUY", "0.5", "334.65", "0", "0.35036825"),
        ("2025-07-31", "BUY", "5", "69.12", "0.000005", "0.35139225"),
        ("2025-07-30", "BUY", "5", "158.01", "-0.0013", "0.34486725"),
        ("2025-10-01", "SELL", "3", "180.96", "-0.0013", "0.34752125"),
    ],
)
def test_ibkr_tiered_comes_out_to_the_last_digit(day, side, quantity, price, exchange, printed):
    tariff = IbkrTiered(remove=D(exchange))
    assert total(fill(tariff.meter(), day, side, quantity, price)) == D(printed)


def test_a_month_of_trades_climbs_the_tiers_as_one_trade_does_and_the_next_month_starts_anew():
    meter, once = IbkrTiered().meter(), IbkrTiered().meter()
    parts = [fill(meter, "2023-06-01", "BUY", 250_000, 5, order_id=n) for n in range(1, 17)]
    whole = fill(once, "2023-06-30", "BUY", 4_000_000, 5)
    assert sum(part.commission for part in parts) == whole.commission == D(1050 + 5400 + 1500)
    assert parts[0].commission == 875
    assert parts[1].commission == D(175) + D(400)
    assert fill(meter, "2023-07-03", "BUY", 250_000, 5, order_id=99).commission == 875


def test_an_order_in_parts_pays_one_minimum_and_each_share_at_its_tier():
    meter = IbkrTiered().meter()
    first = fill(meter, "2023-06-01", "BUY", 10, 50)
    second = fill(meter, "2023-06-01", "BUY", 80, 50, before=(10, 500, first.commission))
    third = fill(meter, "2023-06-01", "BUY", 110, 50, before=(90, 4500, "0.35"))
    paid = [first.commission, second.commission, third.commission]
    assert paid == [D("0.35"), 0, D("0.35")]  # 200 shares: 0.70


def test_clearing_takes_no_more_than_half_a_percent():
    charge = fill(IbkrTiered(remove=D(0)).meter(), "2023-06-01", "BUY", 1000, "0.01")
    commission = D("0.10")  # 1 % of ten dollars
    assert charge == (commission, D("0.05") + commission * D("0.000735"))


def test_tiered_outside_the_us_is_the_commission_alone():
    abroad = Instrument("SAP.XETR", "EUR")
    charge = fill(IbkrTiered().meter(), "2023-06-01", "SELL", 1000, 5, instrument=abroad)
    assert charge == (D("3.5"), 0)
    assert IbkrTiered().commission(quantity=D(1000), notional=D(5000)) == D("3.5")


# ---- at most ---------------------------------------------------------------------------------

FLAT = [
    *(Zero(), BasisPoints(D("2.5")), BasisPoints(D(9999)), PerOrder(D("9.99"))),
    *(PerShare(D("0.007")), PerShare(D("0.005"), minimum=D(1))),
]
OF_THE_BROKER = [
    *(IbkrFixed(), IbkrFixed(D("0.01"), D("0.1"), D("0.05"))),
    *(IbkrTiered(), IbkrTiered(remove=D("-0.002")), IbkrTiered(remove=D("0.0001"))),
]
sizes = st.one_of(st.integers(1, 10**8).map(D), st.decimals("0.0001", 10**4, places=4))
prices = st.decimals("0.0001", 10**5, places=4)
sides = st.sampled_from(["BUY", "SELL"])


def most_of(tariff, quantity, price):
    """What an order costs at the most, and what may be missing to it for having been rounded."""
    most = tariff.at_most(float(quantity), float(D(quantity) * D(price)))
    return Fraction(most), Fraction(most) / 10**12


@given(st.sampled_from(FLAT), sizes, prices)
def test_the_most_of_a_flat_tariff_is_what_an_order_costs(tariff, quantity, price):
    exact = tariff.commission(quantity=quantity, notional=quantity * price)
    most, rounded = most_of(tariff, quantity, price)
    assert abs(Fraction(exact) - most) <= rounded


@given(
    st.sampled_from(OF_THE_BROKER),
    st.dates(date(2003, 1, 1), date(2026, 12, 31)),
    sides,
    sizes,
    prices,
    st.sampled_from(["ANY.XNYS", "ANY.XXXX", "ANY.XLON"]),
)
def test_no_order_costs_more_than_the_most(tariff, day, side, quantity, price, name):
    charge = fill(
        tariff.meter(), day.isoformat(), side, quantity, price, instrument=Instrument(name)
    )
    most, rounded = most_of(tariff, quantity, price)
    assert Fraction(total(charge)) <= most + rounded


CHANGES = [
    day
    for day in sorted(
        {row[0] for table in (us_fees.SEC, us_fees.TAF, us_fees.CAT) for row in table}
    )
    if "2003-01-01" <= day <= "2026-12-31"
]


@pytest.mark.parametrize("tariff", OF_THE_BROKER)
@pytest.mark.parametrize("side", ["BUY", "SELL"])
@pytest.mark.parametrize(
    ("quantity", "price"), [("0.0001", 10**8), (1, 10**6), (100, 5), (10**4, "0.01"), (10**6, 5)]
)
def test_no_order_costs_more_than_the_most_after_any_change_of_the_fees(
    tariff, side, quantity, price
):
    most, rounded = most_of(tariff, quantity, price)
    for day in CHANGES:
        taken = fill(tariff.meter(), day, side, quantity, price)
        assert Fraction(total(taken)) <= most + rounded, day


def test_the_most_is_the_fee_of_the_dearest_day():
    """The SEC took 46.80 of a million in 2003, the audit trail 0.000048 a share late in 2024.

    FINRA will take 0.00024 a share in 2028.
    """
    tariff = IbkrFixed(D(0), D(0), D(0))
    assert tariff.at_most(0.0, 1e6) == pytest.approx(46.8, rel=1e-12)
    assert tariff.at_most(1e6, 0.0) == pytest.approx(240 + 48, rel=1e-12)


@pytest.mark.parametrize("tariff", [*FLAT, *OF_THE_BROKER])
def test_the_most_does_not_hang_on_the_digits_that_a_strategy_works_in(tariff):
    most = tariff.at_most(1000.0, 50_000.0)
    with localcontext(prec=1, rounding=ROUND_DOWN):
        assert tariff.at_most(1000.0, 50_000.0) == most


# ---- by name ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("zero", Zero()),
        ("none", Zero()),
        (" bps:10 ", BasisPoints(D(10))),
        ("bps:0.5", BasisPoints(D("0.5"))),
        ("per-share:0.005", PerShare(D("0.005"))),
        ("per-share: 0.005, minimum=1", PerShare(D("0.005"), D(1))),
        ("per-share:minimum=1,amount=0.005", PerShare(D("0.005"), D(1))),
        ("per-order:9.99", PerOrder(D("9.99"))),
        ("ibkr-fixed", IbkrFixed()),
        ("ibkr-tiered", IbkrTiered()),
        ("ibkr-tiered:add=-0.002", IbkrTiered(add=D("-0.002"))),
        ("ibkr-tiered:0.0028", IbkrTiered(remove=D("0.0028"))),
    ],
)
def test_a_text_names_a_model_and_the_model_names_the_text(text, model):
    assert parse_costs(text) == model
    assert parse_costs(parse_costs(text).name) == model
    assert parse_costs(model) is model


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ibkr-fixd", "did you mean 'ibkr-fixed'"),
        ("ibkr", "there are zero, bps:10, per-share:0.005, per-order:1, ibkr-fixed, ibkr-tiered"),
        ("bps", "'bps' needs points; write it as in bps:10"),
        ("bps:ten", "'ten' is not a number"),
        ("bps:-1", "at least 0"),
        ("bps:10000", "below 10000"),
        ("bps:nan", "'nan' is not a number"),
        ("bps:", "'' is not a number"),
        ("bps:1,2", "'2' is not one of points"),
        ("bps:1,points=2", "points is given twice"),
        ("zero:5", "is not known"),
        ("per-share:1,minimun=2", "did you mean 'minimum'"),
        ("per-share:-1", "per-share amount must be at least 0, was -1"),
        ("per-order:-1", "per-order amount must be at least 0"),
        (10, "neither a text such as 'bps:10' nor a cost model"),
    ],
)
def test_a_wrong_text_is_told_what_there_is(text, says):
    with pytest.raises(UsageError, match=says):
        parse_costs(text)
