"""Each of the 34 defects is put into clean bars and found where it was put; clean bars are quiet."""

import csv
from datetime import date

import numpy as np
import pytest
from msgspec.structs import replace

from evenkeel.calendar.sessions import sessions
from evenkeel.domain.errors import DataError
from evenkeel.market.checks.rules import RULES, errors_of, judge
from evenkeel.market.checks.sheet import Action, sheet
from evenkeel.market.checks.sources import compared, file_checks, version_checks
from evenkeel.market.inspection import _number
from evenkeel.market.intake import Terms, interval_length, taken_in
from evenkeel.market.seen import seen, settled, together

DAY = 86_400_000_000_000
MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
NOW = int(np.datetime64("2030-01-01", "ns").astype(np.int64))


def ns(text):
    return int(np.datetime64(text, "ns").astype(np.int64))


def walk(count, seed=1, level=100.0):
    """A calm random walk: prices of a liquid share, rounded to cents, with volume in shares."""
    random = np.random.default_rng(seed)
    close = level * np.exp(np.cumsum(random.normal(0, 0.01, count)))
    opens = close * np.exp(random.normal(0, 0.004, count))
    high = np.maximum(opens, close) * np.exp(np.abs(random.normal(0, 0.004, count)))
    low = np.minimum(opens, close) * np.exp(-np.abs(random.normal(0, 0.004, count)))
    volume = np.round(1e6 * np.exp(random.normal(0, 0.3, count)))
    prices = {"open": opens, "high": high, "low": low, "close": close}
    return {**{n: np.round(c, 2) for n, c in prices.items()}, "volume": volume}


class Bed:
    """Clean bars of one instrument, into which a test puts a defect."""

    def __init__(self, name, ts, length, level=100.0):
        self.name, self.ts, self.length = name, np.array(ts), length
        self.columns = walk(len(ts), level=level)
        self.columns["adj_close"] = np.full(len(ts), np.nan)
        self.actions = []
        self.kinds = {}

    def drop(self, rows):
        keep = np.ones(len(self.ts), bool)
        keep[rows] = False
        self.ts = self.ts[keep]
        self.columns = {name: column[keep] for name, column in self.columns.items()}

    def scale(self, rows, factor):
        for name in ("open", "high", "low", "close"):
            self.columns[name][rows] *= factor

    def rows(self, at=1, source="test"):
        codes = np.zeros(len(self.ts), np.int64)
        return seen([self.name], codes, self.ts, self.columns, at=at, source=source)

    def found(self, **options):
        made = sheet(
            self.rows(), self.length, actions=self.actions, now=NOW, kinds=self.kinds,
            adjusted=True, **options,
        )  # fmt: skip
        return {each.finding.code: each for each in judge(made)}


def days(count=250, name="ACME.XNYS"):
    known = sessions("XNYS", date(2014, 1, 2), date(2016, 1, 2)).dates[:count]
    return Bed(name, known * DAY, DAY)


def fives(first="2014-02-24", last="2014-03-21", name="ACME.XNYS"):
    """Five-minute bars of four weeks, over the change to daylight saving time on March 9."""
    known = sessions("XNYS", date.fromisoformat(first), date.fromisoformat(last))
    ts = [np.arange(o, c, 5 * MINUTE) for o, c in zip(known.opens, known.closes, strict=True)]
    return Bed(name, np.concatenate(ts), 5 * MINUTE)


def half_day():
    """The day after Thanksgiving 2013 closed at 13:00 New York."""
    return fives("2013-11-18", "2013-12-06")


def around_the_clock():
    return Bed("BTC.XXXX", ns("2017-01-01") + np.arange(3000) * MINUTE, MINUTE)


def pound(name="ACME.XLON"):
    known = sessions("XLON", date(2014, 1, 2), date(2015, 1, 2)).dates[:200]
    return Bed(name, known * DAY, DAY)


def paying():
    """A share with a dividend of 1 on its hundredth day, and adjusted closes that know it."""
    bed = days()
    close = bed.columns["close"]
    factor = np.ones(len(close))
    factor[:100] = 1 - 1 / close[99]
    bed.columns["adj_close"] = close * factor
    bed.actions = [Action(bed.name, int(bed.ts[100]), "dividend", 1.0)]
    return bed


BEDS = [days, fives, half_day, around_the_clock, pound, paying]


@pytest.mark.parametrize("bed", BEDS)
def test_clean_bars_are_quiet(bed):
    assert bed().found() == {}


# ---- one defect each: (number, bed, what is done, the rule, the first bar hit, how many) ----


def at(column, row, value):
    def put(bed):
        bed.columns[column][row] = value(bed.columns, row) if callable(value) else value

    return put


def swap_high_and_low(bed):
    bed.columns["high"][50], bed.columns["low"][50] = (
        bed.columns["low"][50],
        bed.columns["high"][50],
    )


def drop(*rows):
    return lambda bed: bed.drop(list(rows))


def bar_on(day):
    """A bar on a day on which the exchange was closed."""

    def put(bed):
        bed.ts[120] = ns(day)
        order = np.argsort(bed.ts)
        bed.ts = bed.ts[order]
        bed.columns = {name: column[order] for name, column in bed.columns.items()}

    return put


def move(hours, first=None):
    def put(bed):
        late = bed.ts >= ns(first) if first else np.ones(len(bed.ts), bool)
        bed.ts = bed.ts + np.where(late, int(hours * HOUR), 0)

    return put


def after_early_close(bed):
    """As if nobody knew: bars go on until 16:00 on the half day."""
    close = ns("2013-11-29T18:00")
    bed.ts = np.concatenate((bed.ts, close + np.arange(36) * 5 * MINUTE))
    for name, column in bed.columns.items():
        bed.columns[name] = np.concatenate((column, column[-36:]))
    order = np.argsort(bed.ts, kind="stable")
    bed.ts = bed.ts[order]
    bed.columns = {name: column[order] for name, column in bed.columns.items()}


def cut_session(bed):
    """The feed went away at 14:00 New York on March 5."""
    gone = (bed.ts >= ns("2014-03-05T19:00")) & (bed.ts < ns("2014-03-06"))
    bed.drop(np.flatnonzero(gone))


def before_the_bell(bed):
    bed.ts = np.concatenate(([ns("2014-02-24T14:00")], bed.ts))
    bed.columns = {n: np.concatenate((c[:1], c)) for n, c in bed.columns.items()}


def daylight(bed):
    """From March 10 on somebody went on to use winter time."""
    move(1, "2014-03-10")(bed)
    bed.drop(np.flatnonzero(bed.ts >= ns("2014-03-22")))


def unlisted_split(bed):
    bed.scale(slice(150, None), 0.5)
    bed.columns["volume"][150:] *= 2


def partial_split(bed):
    """The source divided only what lies before day 100 by the split of day 150."""
    bed.actions = [Action(bed.name, int(bed.ts[150]), "split", 2.0)]
    bed.scale(slice(145, 150), 2.0)


def split_early(bed):
    bed.actions = [Action(bed.name, int(bed.ts[150]), "split", 7.0)]
    bed.scale(slice(0, 149), 7.0)


def two_scales(bed):
    bed.columns["low"][60] = bed.columns["low"][60] / 100
    bed.columns["close"][60] = bed.columns["close"][60] / 100


def hundredfold(bed):
    bed.scale(slice(80, 95), 100.0)


def spike(bed):
    bed.scale(70, 1.6)


def stale(bed):
    for column in bed.columns.values():
        column[91:96] = column[90]


def tomorrow(bed):
    bed.ts[-1] = NOW + 3 * DAY


def off_grid(bed):
    bed.ts[40] += 17_000_000_000


def reused(bed):
    bed.drop(np.arange(100, 180))
    bed.scale(slice(100, None), 0.3)


def symbol(name):
    def put(bed):
        bed.name = name

    return put


def points(bed):
    bed.name = "EURUSD.XXXX"
    for name in ("open", "high", "low", "close"):
        bed.columns[name] = np.round(bed.columns[name] * 1000)


def too_large_adjusted(bed):
    bed.columns["adj_close"][30] = bed.columns["close"][30] * 1.02


def forgotten_dividend(bed):
    bed.columns["adj_close"] = bed.columns["close"].copy()


def dividend_of(factor):
    def put(bed):
        bed.actions = [Action(bed.name, int(bed.ts[100]), "dividend", factor)]

    return put


DEFECTS = [
    (1, days, swap_high_and_low, "high-below-low", 50, 1),
    (2, days, at("close", 50, lambda c, r: c["high"][r] * 1.01), "outside-range", 50, 1),
    (3, days, at("low", 50, 0.0), "not-positive", 50, 1),
    (3, days, at("open", 50, -3.0), "not-positive", 50, 1),
    (4, days, at("close", 50, np.nan), "not-finite", 50, 1),
    (4, days, at("high", 50, np.inf), "not-finite", 50, 1),
    (4, paying, at("adj_close", 50, -np.inf), "not-finite", 50, 1),
    (5, days, at("volume", 50, -1.0), "volume-negative", 50, 1),
    (5, days, at("volume", 50, 100.5), "volume-fractional", 50, 1),
    (6, days, at("volume", 50, 0.0), "zero-volume", 50, 1),
    (10, days, drop(50, 51, 52), "gap", 50, 3),
    (11, fives, drop(20, 21, 22), "missing-bars", 0, 3),
    (11, around_the_clock, drop(*range(500, 560)), "missing-bars", 500, 60),
    (12, half_day, after_early_close, "half-day", None, 36),
    (13, fives, cut_session, "truncated", None, 1),
    (14, days, bar_on("2014-04-18"), "closed-day", None, 1),  # Good Friday
    (14, days, bar_on("2014-03-01"), "closed-day", None, 1),  # a Saturday
    (15, fives, before_the_bell, "outside-session", 0, 1),
    (16, fives, move(5), "time-zone", 0, None),
    (16, fives, move(-13), "time-zone", 0, None),
    (17, fives, daylight, "daylight-saving", None, 10),
    (18, fives, move(1 / 12), "stamp-end", 0, None),
    (19, days, unlisted_split, "split-missing", 150, 1),
    (20, days, partial_split, "split-partial", 145, 5),
    (20, days, split_early, "split-partial", 0, 149),
    (21, days, two_scales, "mixed-scale", 60, 1),
    (22, paying, too_large_adjusted, "adjusted-above", 30, 1),
    (22, paying, too_large_adjusted, "adjusted-step", 30, 2),
    (22, paying, forgotten_dividend, "dividend-mismatch", 100, 1),
    (22, paying, dividend_of(40.0), "dividend-size", 100, 1),
    (22, paying, dividend_of(0.0003), "dividend-size", 100, 1),
    (23, pound, hundredfold, "unit", 80, 15),
    (24, days, spike, "spike", 70, 1),
    (25, days, stale, "stale", 91, 5),
    (26, days, tomorrow, "future", 249, 1),
    (27, fives, off_grid, "off-grid", 40, 1),
    (28, days, reused, "ticker-reuse", 100, 1),
    (32, days, symbol("nan.XNYS"), "symbol-lost", 0, 1),
    (32, days, symbol("True.XNYS"), "symbol-lost", 0, 1),
    (33, days, points, "scaled", 0, 1),
]


@pytest.mark.parametrize(
    ("number", "bed", "put", "code", "first", "count"),
    DEFECTS,
    ids=[f"{case[0]}-{case[3]}-{place}" for place, case in enumerate(DEFECTS)],
)
def test_a_defect_is_found_where_it_was_put(number, bed, put, code, first, count):
    made = bed()
    put(made)
    found = made.found()
    assert code in found, list(found)
    each = found[code]
    assert RULES[code].number == number
    assert each.finding.severity == RULES[code].severity
    assert count is None or each.finding.count == count
    assert first is None or each.finding.first_at == made.ts[first]
    errors = errors_of([each])
    assert bool(errors) == (RULES[code].severity == "error")


def test_every_number_of_the_list_has_a_rule():
    assert {rule.number for rule in RULES.values()} == set(range(1, 35))


# ---- defects of files, looks and providers ----


def taken(path, **terms):
    (intake,) = taken_in(path, Terms(**terms))
    return intake


def of_file(path, **terms):
    return {each.code: each for each in file_checks(taken(path, **terms))}


ROWS = [f"2024-01-{day:02},10,11,9,10,{100 + day}" for day in range(2, 12)]


@pytest.mark.parametrize(
    ("rows", "code", "count"),
    [
        ([*ROWS, ROWS[3]], "repeated", 1),  # 7
        ([*ROWS, "2024-01-05,10,11,9,10.5,500"], "conflicting", 1),  # 8
        (ROWS[::-1], "unsorted", 1),  # 9
        ([*ROWS[:4], "date,open,high,low,close,volume", *ROWS[4:]], "bad-line", 1),  # 29
        ([*ROWS, "2024-01-13,10,11", "2024-01-14,a,b,c,d,e"], "bad-line", 2),
        ([f"{row},0" for row in ROWS], "header", 1),
    ],
)
def test_a_defect_of_a_file_is_found(write, rows, code, count):
    found = of_file(write(*rows))
    assert set(found) == {code} | ({"unsorted"} if code in {"repeated", "conflicting"} else set())
    assert found[code].count == count


def test_an_empty_file_is_an_empty_batch(write, tmp_path):
    assert set(of_file(write())) == {"empty-batch"}  # a header alone
    nothing = tmp_path / "nothing.csv"
    nothing.write_text("")
    assert set(of_file(nothing)) == {"empty-batch"}


def test_a_clean_file_is_quiet(write):
    assert of_file(write(*ROWS)) == {}


def test_dates_that_could_be_read_two_ways_are_refused(write):
    """33: nothing in the file proves whether the month or the day comes first."""
    rows = [f"{day}/2/2024,10,11,9,10,100" for day in range(1, 6)]
    with pytest.raises(DataError, match="may be day/month or month/day"):
        taken(write(*rows))


@pytest.mark.parametrize(
    ("bed", "now", "codes"),
    [
        (days, "2014-12-29T20:59", {"unfinished"}),  # the last session closes at 21:00
        (days, "2014-12-29T21:00", set()),
        (days, "2014-12-26T21:00", {"future"}),
        (around_the_clock, "2017-01-03T01:59:30", {"unfinished"}),
        (around_the_clock, "2017-01-03T02:00", set()),
        (around_the_clock, "2017-01-02T12:00", {"future", "unfinished"}),
    ],
)
def test_a_bar_is_history_when_it_is_over(bed, now, codes):
    made = sheet(bed().rows(), bed().length, now=ns(now))
    assert {each.finding.code for each in judge(made)} == codes


def test_half_a_batch_is_found():
    """30: sixty instruments, of which ten have a bar in the last session."""
    parts = []
    for place in range(60):
        bed = days(30, f"A{place:02}.XNYS")
        if place >= 10:
            bed.drop([29])
        parts.append(bed.rows())
    found = judge(sheet(together(parts), DAY, now=NOW))
    assert [(each.finding.code, each.finding.value) for each in found] == [("partial-batch", 10.0)]


def test_a_later_word_is_a_restatement_and_two_words_at_once_a_conflict():
    """31 and 8."""
    first, later, other = days(30), days(30), days(30)
    for bed in (later, other):
        bed.columns["close"][3] += 0.01
    other.columns["volume"][5] -= 1
    rows = together([first.rows(at=1), later.rows(at=2), other.rows(at=2)])
    found = [each.finding for each in version_checks(*settled(rows))]
    assert [(each.code, each.count) for each in found] == [("conflicting", 1), ("restated", 1)]


def test_providers_that_differ_by_more_than_both_can_be_right_are_found():
    """34: a close by more than 0.1 %, a high by more than 2 %; an open never."""
    ours, theirs = days(30), days(30)
    theirs.columns["close"][4] *= 1.002
    theirs.columns["high"][8] *= 1.03
    theirs.columns["high"][9] *= 1.01
    theirs.columns["open"][11] *= 1.3
    (found,) = compared(ours.rows(), theirs.rows())
    assert (found.finding.code, found.finding.count) == ("disagreement", 2)
    assert found.finding.first_at == ours.ts[4]
    assert list(compared(ours.rows(), days(30).rows())) == []
    assert list(compared(ours.rows(), days(30, "OTHER.XNYS").rows())) == []


# ---- traps ----


def test_a_crash_is_no_split():
    """It falls by half on ten times the volume, and the volume does not stay."""
    bed = days()
    bed.scale(slice(150, None), 0.5)
    bed.columns["volume"][150] *= 10
    assert "split-missing" not in bed.found()


def test_prices_below_zero_are_allowed_where_they_are_true():
    bed = days()
    bed.scale(slice(100, 103), -0.1)
    bed.columns["high"][100:103], bed.columns["low"][100:103] = (
        bed.columns["low"][100:103].copy(),
        bed.columns["high"][100:103].copy(),
    )
    assert "not-positive" in bed.found()
    bed.kinds = {bed.name: "spread"}
    assert "not-positive" not in bed.found()


def test_an_index_without_volume_is_quiet():
    bed = days()
    bed.columns["volume"][:] = 0.0
    assert bed.found() == {}


def test_a_thin_market_with_nights_is_quiet():
    """Currencies rest at weekends: a gap that comes every week is no gap."""
    bed = Bed("EURUSD.XXXX", ns("2017-01-02") + np.arange(9000) * HOUR, HOUR, level=1.1)
    weekday = (bed.ts // DAY + 3) % 7
    bed.drop(np.flatnonzero(weekday >= 5))
    assert "missing-bars" not in bed.found()


def test_a_listed_split_in_traded_prices_is_quiet():
    bed = days()
    bed.scale(slice(0, 150), 7.0)
    bed.columns["volume"][:150] = np.round(bed.columns["volume"][:150] / 7)
    told = [Action(bed.name, int(bed.ts[150]), "split", 7.0)]
    found = judge(sheet(bed.rows(), DAY, actions=told, now=NOW))
    assert [each.finding.code for each in found if each.finding.code != "volume-fractional"] == []


def test_no_bars_are_no_findings():
    assert judge(sheet(days(5).rows().take(slice(0, 0)), DAY)) == []


@pytest.mark.parametrize(("text", "value"), [("2", 2.0), ("3:2", 1.5), ("0.1", 0.1)])
def test_a_ratio_is_a_number(text, value):
    assert _number(text) == value


# ---- real files ----

MARKETS = {"HK": "XHKG", "T": "XTKS", "DE": "XETR", "L": "XLON", "AX": "XASX", "TO": "XTSE",
           "MI": "XMIL", "MC": "XMAD", "ST": "XSTO", "1d": "XNYS"}  # fmt: skip

# What each case of the repair data is about, and the rule that must see it.
CASES = {
    "1398-HK-1d-bad-div": "dividend-mismatch",
    "4063-T-1d-bad-div": "dividend-mismatch",
    "4063-T-1d-bad-stock-split": "split-partial",
    "8TRA-DE-1d-missing-div-adjust": "dividend-mismatch",
    "ADIG-L-1d-bad-div": "dividend-mismatch",
    "AET-L-1d-100x-error": "unit",
    "ASAI-L-1h-bad-unit": "unit",
    "AV-L-1wk-bad-stock-split": "split-partial",
    "DEX-AX-1d-bad-stock-split": "split-partial",
    "DODFX-1d-cg-double-count": "gain-twice",
    "ELCO-L-1d-bad-div": "dividend-size",
    "KEN-TA-1d-bad-div": "dividend-mismatch",
    "LSC-L-1d-bad-div": "dividend-size",
    "MOB-ST-1d-bad-stock-split": "split-partial",
    "PSH-L-1d-bad-div": "dividend-size",
    "RGL-L-1d-bad-div": "dividend-mismatch",
    "SCR-TO-1d-bad-div": "dividend-size",
    "SSNLF-1d-bad-div": "not-finite",
    "TENT-L-1d-bad-div": "dividend-size",
    "VWILX-1d-cg-double-count": "gain-twice",
}
CLEAN = [f"{name}-1d-no-bad-divs" for name in ("CALM", "EWG", "IBE-MC", "TISG-MI")]


def judged_file(path, market):
    intake = taken(path, market=market)
    held, _ = settled(intake.rows)
    told = [
        Action(held.names[0], int(intake.rows.ts[row]), kind, float(column[row]))
        for kind in ("split", "dividend", "gains")
        for column in [intake.extras.get(kind, np.empty(0))]
        for row in np.flatnonzero(column > 0)
    ]
    made = sheet(held, interval_length(intake.interval), actions=told, adjusted=True, now=NOW)
    return held, {each.finding.code: each for each in judge(made)}


def repair_case(shared_data, case):
    market = MARKETS.get(case.split("-")[1], "XXXX")
    return judged_file(shared_data / "dirty" / "yahoo_price_repair" / f"{case}.csv", market)


def changed(shared_data, case):
    """The bars whose price the repaired file has otherwise."""
    folder = shared_data / "dirty" / "yahoo_price_repair"
    closes = []
    for name in (case, f"{case}-fixed"):
        with (folder / f"{name}.csv").open() as file:
            rows = csv.DictReader(file)
            day = rows.fieldnames[0]
            closes.append({row[day]: [float(row[c]) for c in ("Low", "Close")] for row in rows})
    return sorted(
        day[:10]
        for day, prices in closes[0].items()
        if day in closes[1] and not np.allclose(prices, closes[1][day], rtol=0.01)
    )


@pytest.mark.parametrize(("case", "code"), CASES.items())
def test_a_real_defect_is_flagged(shared_data, case, code):
    held, found = repair_case(shared_data, case)
    assert code in found, list(found)
    if code not in {"unit", "split-partial"}:
        return
    wrong = changed(shared_data, case)
    days_of = [str(np.datetime64(int(at), "ns"))[:10] for at in held.ts]
    stamps = [days_of[int(np.searchsorted(held.ts, at))] for at in found[code].stamps]
    for ours, true in ((stamps[0], wrong[0]), (stamps[-1], wrong[-1])):
        assert abs(days_of.index(ours) - days_of.index(true)) <= 2


@pytest.mark.parametrize("case", CLEAN)
def test_a_clean_control_has_no_error(shared_data, case):
    _, found = repair_case(shared_data, case)
    assert not [code for code, each in found.items() if each.finding.severity == "error"]


@pytest.mark.parametrize("name", ["sp500", "nasdaq"])
def test_an_index_has_no_error(shared_data, name):
    path = shared_data / "daily" / f"index_{name}_1d_1999_2018.csv"
    _, found = judged_file(path, "XNYS")
    assert not [code for code, each in found.items() if each.finding.severity == "error"]


def test_apples_splits_are_found_and_its_crash_is_not_one(shared_data):
    """The splits of 2000, 2005, 2014 and 2020 stand in the traded prices; 2000-09-29 was true."""
    path = shared_data / "daily" / "us_equity_1d_raw_lean.parquet"
    intake = taken(path, instrument="AAPL.XNAS")
    found = {each.finding.code: each for each in judge(sheet(intake.rows, DAY, now=NOW))}
    split = found["split-missing"].finding
    assert (split.count, split.first_at, split.last_at, split.severity) == (
        4, ns("2000-06-21"), ns("2020-08-31"), "warning",
    )  # fmt: skip
    assert errors_of(found.values()) == {}


def test_the_bar_that_mixes_apples_two_scales_is_found(shared_data):
    path = shared_data / "minute" / "us_equity_1m_lean.parquet"
    intake = taken(path, market="XNYS")
    found = judge(sheet(intake.rows, MINUTE, now=NOW))
    counts = {}
    for each in found:
        counts[each.finding.code] = counts.get(each.finding.code, 0) + each.finding.count
    assert counts["outside-session"] == 5205  # as the README counts them
    assert errors_of(found) == {"AAPL.XNYS": [ns("2014-06-09T08:00")]}


@pytest.mark.uncounted
def test_what_the_readme_counts_in_a_year_of_every_share(shared_data):
    intake = taken(shared_data / "daily" / "us_eod_all_2015-03_2015-12.parquet", market="XNYS")
    found = judge(sheet(intake.rows, DAY, now=NOW))
    counts = {}
    for each in found:
        counts[each.finding.code] = counts.get(each.finding.code, 0) + each.finding.count
    assert (counts["closed-day"], counts["not-positive"], counts["adjusted-above"]) == (85, 11, 96)
    assert counts["outside-range"] == 1


def test_true_prints_of_a_thin_market_are_flagged_and_not_taken_away(shared_data):
    path = shared_data / "dirty" / "btcusd_bitfinex_1m_2013_2014_spikes.csv.gz"
    intake = taken(path)
    found = judge(sheet(intake.rows, MINUTE, now=NOW))
    assert errors_of(found) == {}
    assert next(each for each in found if each.finding.code == "spike").finding.count >= 13


def test_damage_of_every_kind_at_once_raises_nothing():
    """Whatever stands in the columns, the rules answer."""
    random = np.random.default_rng(5)
    for _ in range(20):
        bed = days(60)
        for column in bed.columns.values():
            rows = random.integers(0, 60, 8)
            column[rows] = random.choice([0.0, -1.0, np.nan, np.inf, -np.inf, 1e308, 1e-308], 8)
        bed.actions = [
            Action(bed.name, int(bed.ts[row]), kind, value)
            for row, kind, value in zip(
                random.integers(0, 60, 3), ("split", "dividend", "gains"), (2.0, 1e9, 5.0),
                strict=True,
            )
        ]  # fmt: skip
        assert bed.found()


def test_a_sheet_of_two_keeps_them_apart():
    """The last bar of one instrument says nothing about the first of the next."""
    one, other = days(60, "A.XNYS"), days(60, "B.XNYS")
    other.scale(slice(None), 3.0)
    assert judge(sheet(together([one.rows(), other.rows()]), DAY, now=NOW)) == []
    assert replace(sheet(one.rows(), DAY), now=0).now == 0


def test_a_sheet_of_two_markets_asks_each_its_own_calendar():
    """July 4 is a holiday in New York and a session in London."""
    ts = np.array([ns(day) for day in ("2014-07-03", "2014-07-04", "2014-07-07")])
    parts = [Bed(f"A.{mic}", ts, DAY).rows() for mic in ("XNYS", "XLON")]
    found = judge(sheet(together(parts), DAY, now=NOW))
    assert [(each.finding.code, each.finding.instrument) for each in found] == [
        ("closed-day", "A.XNYS")
    ]
