"""The page: complete, true to the summary, safe from what it shows, and alone in the world."""

import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from msgspec.structs import replace
from tests.reports.story import A, D, approved, bars, day, fill, order, refused, result

from evenkeel.domain.bar import Finding
from evenkeel.domain.errors import OutsideError
from evenkeel.domain.events import CashDividend, InterestCharged, Split
from evenkeel.domain.order import Side
from evenkeel.reports import charts, tearsheet

BUY, SELL = Side.BUY, Side.SELL
EVIL = "<script>alert(1)</script>"


class Page(HTMLParser):
    """What a browser would see: the text outside scripts, every tag, and the head's rules."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.words, self._skip = [], [], 0
        self.feed(html)
        self.text = re.sub("[ \\n]+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._skip += tag in {"script", "style"}

    def handle_endtag(self, tag):
        self._skip -= tag in {"script", "style"}

    def handle_data(self, data):
        if not self._skip:
            self.words.append(data)


def run(**manifest):
    """Wins 40 over a split, loses 10 short, stays open; one refusal, one ambiguity, one finding."""
    return result(
        [
            approved(order(1, BUY, 10)),
            fill(1, BUY, 10, 10, on=1, commission="1", slippage="0.5"),
            Split(A, day(1), D(2)),
            CashDividend(A, day(2), D("0.1")),
            fill(2, SELL, 20, 7, on=3, ambiguity="12.5"),
            fill(3, SELL, 10, 7, on=4),
            fill(4, BUY, 10, 8, on=20),
            refused(order(5, BUY, 500, on=21)),
            fill(6, BUY, 5, 8, on=22),
        ],
        bars([10, 10, 5, 7, 7, *[8] * 25], findings=(Finding(A, "gap", 3, day(9), EVIL),)),
        strategy=f"my.bots:{EVIL}",
        **manifest,
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "sub" / "report.html"
    made = run(
        run_id="run-7",
        mode="backtest",
        code_version="0.1.0+abc",
        data=["prices.csv"],
        seed=42,
        permissive=True,
        wall_seconds=0.25,
        journal="journal.log",
    )
    assert made.report(path) == path
    return made, path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(written):
    return Page(written[1])


def test_the_page_asks_nobody_for_anything(written, page):
    """No tag loads, and the browser is told to refuse whatever a script might try."""
    assert not [tag for tag, attrs in page.tags if tag in {"link", "iframe", "img", "object"}]
    assert not [attrs for _, attrs in page.tags if "src" in attrs or "href" in attrs]
    rules = [a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a]
    assert rules[0].startswith("default-src 'none';")
    assert "http" not in rules[0]
    style = re.search(r"<style>(.*?)</style>", written[1], re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style


def test_what_a_name_says_is_text_and_never_code(written, page):
    assert EVIL not in written[1]
    assert "<title>&lt;script&gt;" in written[1]
    assert EVIL in page.text


def test_figures_stand_after_and_before_costs(written, page):
    made, _ = written
    for figures in (made.metrics, made.gross_metrics):
        assert tearsheet.percent(figures["total_return"]) in page.text
    assert "After costs Before costs" in page.text
    assert made.metrics["total_return"] != made.gross_metrics["total_return"]


@pytest.mark.parametrize(
    "said",
    [
        "Mode backtest",
        "Run run-7",
        "From 2000-02-13",
        "No real limits.",
        "buying_power_multiple",
        "1,234.5",
        "1 bar could have filled more than one leg",
        "12.50 USD",
        "Split 2:1 on 2000-02-14",
        "1 still open",
        "fast=10",
        "0.1.0+abc",
        "prices.csv",
        "Seed 42",
        "records in journal.log",
        "gap",
        "after 0.25 seconds",
    ],
)
def test_the_page_says(page, said):
    assert said in page.text


def test_the_page_names_what_was_read(written, page):
    made, _ = written
    assert made.bars[A].digest() in page.text
    assert made.journal.head in page.text


def test_every_picture_has_words_for_who_does_not_see_it(page):
    labels = [attrs["aria-label"] for _, attrs in page.tags if attrs.get("role") == "img"]
    assert len(labels) == 3
    assert all(label.endswith(".") for label in labels)


def test_a_run_under_a_real_card_has_no_banner():
    page = Page(tearsheet.render(result([], bars([1, 2]))))
    assert "No real limits" not in page.text
    assert "Nothing was traded." in page.text
    assert "The gate refused no order." in page.text
    assert "Nothing suspicious was found." in page.text
    assert "None: no bar could have filled better" in page.text


def test_within_a_day_round_trips_are_told_to_the_minute():
    """Four bars a day, six hours apart."""
    history = bars([10] * 12, days=np.arange(12) / 4)
    history = replace(history, session_closes=day(0) + np.arange(4) * 86_400 * 10**9)
    sold = replace(fill(2, SELL, 1, 10, on=0), at=int(history.closed_at[2]))
    records = [approved(order(1, BUY, 1)), fill(1, BUY, 1, 10, on=0)]
    page = tearsheet.render(result([*records, approved(order(2, SELL, 1)), sold], history))
    assert "<td>2000-02-13 21:00</td>" in page
    assert "<td>2000-02-14 09:00</td>" in page


def test_a_shallow_drawdown_has_an_axis_that_tells_its_steps_apart():
    """Half a percent is neither 0 % nor 1 %."""
    drawn = charts.charts(result([], bars([10, 10.1])))[1].figure
    assert drawn.yaxis[0].formatter.format == "0.[00]%"


def test_a_long_list_of_trades_says_how_many_more():
    happened = [fill(n, (BUY, SELL)[n % 2], 1, 10, on=n) for n in range(500)]
    page = Page(tearsheet.render(result(happened, bars([10] * 500))))
    assert "The first 200 of 250; trades.csv has them all." in page.text
    assert sum(tag == "tr" for tag, _ in page.tags) < 250


def test_many_instruments_are_not_all_drawn():
    histories = [bars([10, 11], name=f"I{n}.XXXX") for n in range(14)]
    page = Page(tearsheet.render(result([fill(1, BUY, 1, 1, on=1, name="I9.XXXX")], *histories)))
    assert "2 more instruments are not drawn" in page.text
    assert "and 2 more" in page.text
    assert "Line of closing prices of I9.XXXX, with 1 fills" in str(page.tags)


@pytest.mark.parametrize("folder", ["", "there"])
def test_a_page_is_not_written_over_a_folder(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    with pytest.raises(OutsideError, match="cannot write the report over the folder"):
        result([], bars([1, 2])).report(folder)


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OutsideError, match="cannot write the report"):
        result([], bars([1, 2])).report(tmp_path / "report.html")
    assert [found.name for found in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (None, []),
        ("a.csv", ["a.csv"]),
        (["a.csv", "b.csv"], ["a.csv", "b.csv"]),
        ({"files": ["a.csv", "b.csv"], "start": None}, ["files: a.csv, b.csv"]),
    ],
)
def test_where_the_bars_came_from_is_named(data, named):
    assert tearsheet.sources(data) == named


# ---- months ------------------------------------------------------------------------------------


def test_months_compound_to_years_and_years_to_the_whole():
    made = bars(np.linspace(100, 180, 700))
    table = tearsheet.monthly(made.closed_at, made.close, start=80.0)
    assert [year for year, _, _ in table] == [2000, 2001, 2002]
    whole = 1.0
    for _, months, total in table:
        grown = math.prod(1 + month for month in months if not math.isnan(month))
        assert grown == pytest.approx(1 + total)
        whole *= grown
    assert whole == pytest.approx(180 / 80)


def test_a_month_runs_from_the_last_close_of_the_month_before():
    """February 2000 ends on the 29th, day 16 of these bars; March on day 47, without a bar after."""
    made = bars([100, 110, 121], days=[0, 16, 47])
    ((year, months, total),) = tearsheet.monthly(made.closed_at, made.close, start=100.0)
    assert (year, months[1], months[2]) == (2000, pytest.approx(0.1), pytest.approx(0.1))
    assert math.isnan(months[0])
    assert total == pytest.approx(0.21)


def test_a_bar_that_closed_at_midnight_belongs_to_the_month_before():
    """These close at 21:00: three hours and 15 days after the first one March begins."""
    made = bars([100, 110])
    closed_at = made.closed_at + np.array([0, 15 * 24 + 3], dtype=np.int64) * 3_600 * 10**9
    ((_, months, _),) = tearsheet.monthly(closed_at, made.close, start=100.0)
    assert months[1] == pytest.approx(0.1)


def test_what_follows_ruin_is_not_a_return():
    made = bars([-5, 10], days=[0, 30])
    ((_, months, total),) = tearsheet.monthly(made.closed_at, made.close, start=100.0)
    assert math.isnan(months[2])
    assert math.isnan(total)


# ---- pictures ----------------------------------------------------------------------------------


def test_a_thinned_line_keeps_its_extremes_and_its_ends():
    values = np.sin(np.arange(100_000) / 50.0)
    values[12_345], values[77_777] = 9.0, -9.0
    kept = charts.thin(values)
    assert len(kept) <= charts.MOST_POINTS
    assert {0, 12_345, 77_777, 99_999} <= set(kept.tolist())
    assert np.all(np.diff(kept) > 0)
    assert "100,000 bars" in charts.thinned(values)


def test_every_stretch_of_a_thinned_line_shows_its_own_range():
    """No stretch loses its high or low: the honest part of drawing fewer points."""
    values = np.random.default_rng(1).normal(size=30_000).cumsum()
    kept = charts.thin(values, 302)
    for stretch in np.array_split(np.arange(30_000), 150):
        shown = values[np.intersect1d(kept, stretch)]
        assert (shown.min(), shown.max()) == (values[stretch].min(), values[stretch].max())


def test_a_short_line_is_drawn_whole():
    assert charts.thin(np.arange(5_000.0)).tolist() == list(range(5_000))
    assert charts.thinned(np.arange(5_000.0)) == ""


def test_entries_and_exits_are_told_apart_over_a_split():
    """10 become 20; selling 15 and 5 closes them, the next sale is short."""
    happened = [
        fill(1, BUY, 10, 10, on=0),
        Split(A, day(0), D(2)),
        fill(2, SELL, 15, 5, on=1),
        fill(3, SELL, 5, 5, on=1),
        fill(4, SELL, 5, 5, on=2),
        fill(5, BUY, 5, 5, on=3),
    ]
    found = {kind: [f.order_id for f in fills] for kind, fills in charts.sides(happened).items()}
    assert found == {"buy": [1], "sell": [2, 3], "sell short": [4], "buy to close": [5]}


def test_more_fills_than_can_be_marked_are_said(monkeypatch):
    monkeypatch.setattr(charts, "MOST_MARKS", 2)
    made = result([fill(n, BUY, 1, 1, on=n) for n in range(1, 5)], bars([1] * 6))
    assert "Of 4 fills “buy” one in 2 is marked." in charts.charts(made)[2].note


# ---- words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "value", "words"),
    [
        (tearsheet.percent, (0.1234,), "+12.34\u202f%"),
        (tearsheet.percent, (-0.5, 0), "−50\u202f%"),
        (tearsheet.percent, (-0.000001,), "+0.00\u202f%"),
        (tearsheet.percent, (math.nan,), "–"),
        (tearsheet.plain_percent, (0.2,), "20.00\u202f%"),
        (tearsheet.number, (-1234.567,), "−1,234.57"),
        (tearsheet.number, (-0.001,), "0.00"),
        (tearsheet.number, (math.inf,), "–"),
        (tearsheet.exactly, (D("-1234567.0890"),), "−1,234,567.089"),
        (tearsheet.exactly, (D("-0.5"),), "−0.5"),
        (tearsheet.exactly, (D("Infinity"),), "unlimited"),
        (tearsheet.exactly, ("halted by me",), "halted by me"),
        (tearsheet.tone, (1,), "gain"),
        (tearsheet.tone, (-1,), "loss"),
        (tearsheet.tone, (math.nan,), "flat"),
    ],
)
def test_numbers_are_written_for_people(write, value, words):
    assert write(*value) == words


def test_interest_is_of_the_account_and_drawn_on_no_price():
    """A debt has no instrument."""
    owed = InterestCharged(day(2), "USD", D(100), D(6), 1, D("0.02"))
    made = result([approved(order(1, BUY, 10)), fill(1, BUY, 10, 10, on=1), owed], bars([10] * 4))
    ((name, moves),) = charts.busiest(made)
    assert (name, len(moves), len(made.moves)) == (A, 1, 2)
