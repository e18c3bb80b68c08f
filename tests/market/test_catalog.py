"""The catalog: bars by id and dates, adjusted for what was known, and tickers that were re-used."""

import csv
from decimal import Decimal

import numpy as np
import pytest
from tests.fakes.clock import FakeClock

from evenkeel.domain.errors import DataError, UsageError
from evenkeel.domain.events import CashDividend, Split
from evenkeel.domain.instrument import Instrument
from evenkeel.market.adjust import adjusted, as_traded
from evenkeel.market.catalog import Catalog, place_of
from evenkeel.market.catalog_provider import CatalogProvider
from evenkeel.market.csv_files import read_bars
from evenkeel.market.intake import Terms, files_in, taken_in
from evenkeel.market.listed import Listed, list_actions, listed_in, read_listed
from evenkeel.market.provider import ProviderError
from evenkeel.market.tickers import TickerMap, Use, read_tickers, tickers_as_csv

DAY = 86_400_000_000_000


def ns(day):
    return int(np.datetime64(day, "ns").astype(np.int64))


def take(catalog, path, dataset="main", **terms):
    for file in files_in([path]):
        for intake in taken_in(file, Terms(**terms)):
            catalog.shelf(intake.interval, dataset).add(intake.rows)
            list_actions(catalog.actions_file, listed_in(intake.rows, intake.extras))


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "catalog")


def test_bars_come_back_as_the_file_has_them(catalog, daily):
    take(catalog, daily, instrument="AAPL.XNAS")
    (kept,) = catalog.bars(["AAPL.XNAS"])
    (read,) = read_bars(daily, instrument="AAPL.XNAS")
    assert kept.digest() == read.digest()
    assert kept.session_closes.tolist() == read.session_closes.tolist()
    assert kept.findings == read.findings


def test_start_and_end_are_inclusive_days(catalog, daily):
    take(catalog, daily, instrument="AAPL.XNAS")
    (bars,) = catalog.bars(["AAPL.XNAS"], start="2024-01-03", end="2024-01-04")
    (read,) = read_bars(daily, instrument="AAPL.XNAS", start="2024-01-03", end="2024-01-04")
    assert bars.digest() == read.digest()


def test_catalog_is_a_source_of_bars(catalog, daily):
    take(catalog, daily, instrument="AAPL.XNAS")
    for source in (f"catalog:{catalog.folder}", f"catalog:{catalog.folder}#main/1d"):
        (bars,) = read_bars(source, instrument="AAPL.XNAS", start="2024-01-03")
        assert len(bars) == 3
        assert bars.source == f"catalog:{catalog.folder}#main/1d"
        assert read_bars([bars.source], instrument=[bars.instrument])[0].source == bars.source


def test_what_is_not_there_is_said(catalog, daily):
    take(catalog, daily, instrument="AAPL.XNAS")
    with pytest.raises(DataError, match=r"has no APPL.XNAS; did you mean 'AAPL.XNAS'"):
        catalog.bars(["APPL.XNAS"])
    with pytest.raises(UsageError, match="holds many instruments"):
        read_bars(f"catalog:{catalog.folder}")
    with pytest.raises(UsageError, match="interval '1x'"):
        place_of("catalog:#1x")
    with pytest.raises(UsageError, match="data set 'Main'"):
        catalog.shelf("1d", "Main")


def test_two_intervals_must_be_told_apart(catalog, daily, write):
    hours = write(
        *(f"2024-01-02 1{hour}:00,10,11,9,10,5" for hour in range(5, 9)), name="hours.csv"
    )
    take(catalog, daily, instrument="AAPL.XNAS")
    take(catalog, hours, instrument="AAPL.XNAS")
    with pytest.raises(UsageError, match=r"several intervals \(1d, 1h\); name one, such as"):
        catalog.bars(["AAPL.XNAS"])
    assert len(catalog.bars(["AAPL.XNAS"], interval="1h")[0]) == 4


def test_quarantined_bars_are_left_out_and_counted(catalog, daily):
    take(catalog, daily, instrument="AAPL.XNAS")
    catalog.shelf("1d").quarantine({"AAPL.XNAS": [ns("2024-01-03")]})
    (bars,) = catalog.bars(["AAPL.XNAS"])
    assert len(bars) == 3
    assert [(each.code, each.count) for each in bars.findings] == [("quarantined", 1), ("gap", 1)]


# ---- as it was known ----


@pytest.fixture
def restated(catalog, write):
    """The second of three sessions closed at 12, it was said; a day later it was 13."""
    for name, close in (("first.csv", 12), ("later.csv", 13)):
        rows = [
            "2024-01-02,10,14,9,11,5",
            f"2024-01-03,11,14,10,{close},5",
            "2024-01-04,12,14,11,13,5",
        ]
        later = ["2024-01-05,13,15,12,14,5"] if close == 13 else []
        take(catalog, write(*rows, *later, name=name), instrument="AAPL.XNAS")
    return catalog


@pytest.mark.parametrize(
    ("known_at", "closes"),
    [
        ("2024-01-04", [11, 12, 13]),
        ("2024-01-05T23:59:58Z", [11, 12, 13]),
        ("2024-01-05", [11, 13, 13, 14]),
        ("2030-01-01", [11, 13, 13, 14]),
    ],
)
def test_a_restated_bar_reads_old_before_and_new_after(restated, known_at, closes):
    source = f"catalog:{restated.folder}#main/1d@{known_at}"
    (bars,) = read_bars(source, instrument="AAPL.XNAS")
    assert bars.close.tolist() == closes
    (again,) = read_bars(bars.source, instrument="AAPL.XNAS")
    assert (again.digest(), again.source) == (bars.digest(), bars.source)


def test_what_was_known_stays_known_however_it_is_stored(restated):
    def closes():
        found = restated.bars(["AAPL.XNAS"], known_at=ns("2024-01-05"))[0].close.tolist()
        return found, restated.bars(["AAPL.XNAS"])[0].close.tolist()

    before = closes()
    assert before == ([11, 12, 13], [11, 13, 13, 14])
    restated.shelf("1d").compact()
    assert closes() == before


def test_what_nobody_had_seen_yet_is_said(restated):
    known_at = ns("2024-01-04T20:59")
    with pytest.raises(DataError, match=r"no bars .* that had been seen by 2024-01-04T20:59:00Z"):
        restated.bars(["AAPL.XNAS"], known_at=known_at)
    with pytest.raises(UsageError, match="known at '2024-13-01' is neither a date nor a time"):
        place_of("catalog:@2024-13-01")


def test_a_quarantine_and_a_time_frame_hold_for_what_was_known(restated):
    restated.shelf("1d").quarantine({"AAPL.XNAS": [ns("2024-01-02")]})
    (bars,) = restated.bars(["AAPL.XNAS"], known_at=ns("2024-01-05"), start="2024-01-02")
    assert bars.close.tolist() == [12, 13]
    assert bars.findings[0].code == "quarantined"


def test_a_folder_may_have_an_at_in_its_name():
    assert place_of("catalog:/disk/ann@desk/bars").folder == "/disk/ann@desk/bars"
    assert place_of("catalog:/disk/ann@desk/bars#1d").interval == "1d"
    place = place_of("catalog:ann@desk#1d@2024-01-31")
    assert (place.folder, place.interval, place.known_at) == (
        "ann@desk",
        "1d",
        ns("2024-01-31T23:59:59"),
    )


# ---- views ----


@pytest.fixture
def split_in_two(catalog, write):
    """100 a share, then 2:1 on the third day, then a dividend of 1 on the fourth."""
    prices = write(
        "2024-01-02,100,102,98,100,10",
        "2024-01-03,100,104,99,102,10",
        "2024-01-04,51,52,50,51,20",
        "2024-01-05,50,51,49,50,20",
    )
    take(catalog, prices, instrument="AAPL.XNAS")
    told = [
        Listed("2024-01-04", "AAPL.XNAS", "split", "2", "us", 1),
        Listed("2024-01-05", "AAPL.XNAS", "dividend", "1", "us", 1),
    ]
    list_actions(catalog.actions_file, told)
    return catalog


VIEWS = [
    ("as-traded", None, [100, 102, 51, 50], [10, 10, 20, 20]),
    ("split", None, [50, 51, 51, 50], [20, 20, 20, 20]),
    ("split", "2024-01-03T23:00", [100, 102, 51, 50], [10, 10, 20, 20]),
    ("split-dividend", None, [50 * 50 / 51, 50, 50, 50], [20, 20, 20, 20]),
    ("split-dividend", "2024-01-04T23:00", [50, 51, 51, 50], [20, 20, 20, 20]),
]


@pytest.mark.parametrize(("view", "as_of", "closes", "volumes"), VIEWS)
def test_a_view_knows_what_was_known(split_in_two, view, as_of, closes, volumes):
    moment = None if as_of is None else ns(as_of)
    (bars,) = split_in_two.bars(["AAPL.XNAS"], view=view, as_of=moment)
    assert bars.close == pytest.approx(closes)
    assert bars.volume.tolist() == volumes
    jumps = abs(bars.close[2] / bars.close[1] - 1) > 0.2
    assert ("spike" in {each.code for each in bars.findings}) == jumps


def test_without_a_date_a_view_is_that_of_its_last_bar(split_in_two):
    """A backtest that ends before the split must not know it."""
    (bars,) = split_in_two.bars(["AAPL.XNAS"], view="split", end="2024-01-03")
    assert bars.close.tolist() == [100, 102]


def test_a_view_without_a_name_is_refused(split_in_two):
    with pytest.raises(UsageError, match="did you mean 'split'"):
        split_in_two.bars(["AAPL.XNAS"], view="splits")


def test_a_dividend_above_the_price_is_refused(split_in_two):
    (bars,) = split_in_two.bars(["AAPL.XNAS"])
    wrong = CashDividend("AAPL.XNAS", ns("2024-01-05T05:00"), Decimal(100))
    with pytest.raises(DataError, match="is not less than the close of 51"):
        adjusted(bars, bars.closed_at, [wrong], "split-dividend", as_of=2**62)


def test_the_way_back_from_a_split_adjusted_source():
    ts = np.array([1, 2, 3])
    told = {"close": np.array([50.0, 51.0, 51.0]), "volume": np.array([20.0, 20.0, 20.0])}
    found = as_traded(told, ts, [(3, 2.0)])
    assert found["close"].tolist() == [100, 102, 51]
    assert found["volume"].tolist() == [10, 10, 20]


@pytest.mark.parametrize(("symbol", "tolerance"), [("AAPL", 5e-5), ("MSFT", 2.5e-4)])
def test_raw_prices_and_actions_give_the_published_adjusted_ones(
    catalog, shared_data, symbol, tolerance
):
    path = shared_data / "corporate_actions" / "wiki_2014_raw_and_adjusted.csv"
    take(catalog, path, market="XNAS")
    (bars,) = catalog.bars([f"{symbol}.XNAS"], view="split-dividend")
    with path.open() as file:
        published = [
            float(row["adj_close"]) for row in csv.DictReader(file) if row["ticker"] == symbol
        ]
    ratio = bars.close / np.array(published)
    assert np.abs(ratio / ratio[-1] - 1).max() < tolerance


def test_on_the_first_of_june_nobody_knows_apples_split(catalog, shared_data):
    path = shared_data / "corporate_actions" / "wiki_2014_raw_and_adjusted.csv"
    take(catalog, path, market="XNAS")
    (then,) = catalog.bars(["AAPL.XNAS"], end="2014-06-01", view="split")
    (raw,) = catalog.bars(["AAPL.XNAS"], end="2014-06-01")
    (today,) = catalog.bars(["AAPL.XNAS"], view="split")
    assert then.digest() == raw.digest()
    assert then.close[-1] == pytest.approx(633.00)  # the published close of Friday, May 30
    assert today.close[len(then) - 1] == pytest.approx(633.00 / 7)
    assert {
        each.new for each in catalog.actions([Instrument("AAPL.XNAS")]) if isinstance(each, Split)
    } == {7}


# ---- actions ----


def test_the_later_word_about_an_action_holds_in_any_order(tmp_path):
    first = Listed("2024-01-04", "A.XNYS", "dividend", "1", "yahoo", 1)
    later = Listed("2024-01-04", "A.XNYS", "dividend", "0.1", "yahoo", 2)
    for order in ([first, later], [later, first], [later, first, later]):
        path = tmp_path / f"{len(order)}{order[0].value}.csv"
        for each in order:
            list_actions(path, [each])
        assert read_listed(path) == [later]
    assert list_actions(path, [later]) == 0
    assert list_actions(path, [Listed("2024-02-01", "A.XNYS", "split", "2", "x", 1)]) == 1
    assert read_listed(tmp_path / "none.csv") == []


def test_a_list_that_is_none_is_refused(tmp_path):
    path = tmp_path / "actions.csv"
    path.write_text("date,instrument\n2024-01-01,A.XNYS\n")
    with pytest.raises(DataError, match="not a list of corporate actions"):
        read_listed(path)


# ---- tickers ----

OLD_FB, FB = "FB~1.XNAS", "FB.XNAS"


def facebook():
    return TickerMap(
        [Use(FB, OLD_FB, -(2**40), 15_000), Use(FB, FB, ns("2012-05-18") // DAY, 2**40)]
    )


def test_a_symbol_used_again_is_another_instrument():
    tickers = facebook()
    assert tickers.meaning(FB, ns("2005-01-01") // DAY, ns("2005-12-31") // DAY) == OLD_FB
    assert tickers.meaning(FB, ns("2015-01-01") // DAY) == FB
    assert tickers.meaning("AAPL.XNAS") == "AAPL.XNAS"


def test_a_request_across_the_boundary_is_refused():
    with pytest.raises(
        DataError, match=r"FB.XNAS was several instruments .*FB~1.XNAS .*; ask for one"
    ):
        facebook().meaning(FB, ns("2005-01-01") // DAY, ns("2015-01-01") // DAY)


def test_a_symbol_means_one_instrument_a_day():
    with pytest.raises(DataError, match="a symbol means one instrument a day"):
        TickerMap([Use(FB, OLD_FB, 0, 10), Use(FB, FB, 10, 20)])


def test_a_map_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "tickers.csv"
    uses = [use for known in facebook().uses.values() for use in known]
    path.write_text(tickers_as_csv(uses))
    assert read_tickers(path).uses == facebook().uses
    path.write_text("ticker,market,first,last,instrument\nFB,XNAS,18/5/2012,,FB.XNAS\n")
    with pytest.raises(DataError, match=r"tickers.csv, line 2: a date is written 2024-01-31"):
        read_tickers(path)
    path.write_text("ticker\nFB\n")
    with pytest.raises(DataError, match="has no column market, first"):
        read_tickers(path)


def test_fb_of_2002_and_of_2015_are_kept_apart(catalog, shared_data):
    catalog.folder.mkdir()
    uses = [use for known in facebook().uses.values() for use in known]
    (catalog.folder / "tickers.csv").write_text(tickers_as_csv(uses))
    path = shared_data / "daily" / "us_equity_1d_raw_lean.parquet"
    (intake,) = taken_in(path, Terms(instrument=FB))
    catalog.shelf("1d").add(catalog.tickers().assigned(intake.rows))
    (old,) = catalog.bars([FB], start="2002-01-01", end="2002-12-31")
    (new,) = catalog.bars([FB], start="2015-01-01", end="2015-12-31")
    assert (old.instrument.id, new.instrument.id) == (OLD_FB, FB)
    assert (
        str(np.datetime64(int(catalog.bars([FB], start="2012-01-01")[0].closed_at[0]), "ns"))[:10]
        == "2012-05-18"
    )
    with pytest.raises(DataError, match="several instruments"):
        catalog.bars([FB], start="2002-01-01", end="2015-12-31")


# ---- as a provider ----


def test_a_catalog_that_is_asked_before_its_first_close_knows_no_price(catalog, daily):
    take(catalog, daily, instrument="AAPL.XNAS")
    early = CatalogProvider(catalog, clock=FakeClock(ns("2024-01-02T12:00")))
    with pytest.raises(ProviderError, match=r"no bar of AAPL.XNAS has closed yet"):
        early.quote(Instrument("AAPL.XNAS"))


def test_a_list_of_actions_that_cannot_be_read_is_a_failure(catalog):
    catalog.folder.mkdir()
    catalog.actions_file.write_text("date,symbol\n")
    provider = CatalogProvider(catalog, clock=FakeClock())
    with pytest.raises(ProviderError, match="unreadable"):
        provider.actions(Instrument("AAPL.XNAS"), 0, 1)


def test_bounds_may_be_moments(catalog, daily):
    take(catalog, daily, instrument="AAPL.XNAS")
    (bars,) = catalog.bars(["AAPL.XNAS"], start="2024-01-03T00:00Z", end="2024-01-04T21:00+00:00")
    assert len(bars) == 2


def test_what_is_as_traded_is_left_alone(split_in_two):
    (bars,) = split_in_two.bars(["AAPL.XNAS"])
    assert adjusted(bars, bars.closed_at, [], "as-traded", as_of=0) is bars


def test_rows_without_a_ticker_that_was_used_again_are_left_alone(catalog, daily):
    (intake,) = taken_in(daily, Terms(instrument="AAPL.XNAS"))
    assert TickerMap({}).assigned(intake.rows) is intake.rows
