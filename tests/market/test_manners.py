"""Back-off, circuit and budget, on a clock that stands still until somebody waits."""

import multiprocessing
from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random

import pytest
from tests.contracts.provider_world import NOW
from tests.fakes.clock import FakeClock

from evenkeel.domain.errors import OutsideError
from evenkeel.market.budget import Allowance, Budget
from evenkeel.market.manners import Manners, retry_after
from evenkeel.market.provider import Failure, ProviderError


class Longest(Random):
    """Dice that always draw the longest wait."""

    def uniform(self, a, b):
        return b


@pytest.fixture
def clock():
    return FakeClock(NOW)


@pytest.fixture
def manners(clock, tmp_path):
    made = []

    def make(allowances=None, **options):
        made.append(Budget(tmp_path / "budget.db", clock, allowances or {}))
        return Manners("acme", made[-1], clock, dice=Longest(), **options)

    yield make
    for budget in made:
        budget.close()


class Source:
    """Fails as often as it is told to, and counts who asks."""

    def __init__(self, *failures, retry=None):
        self.failures = list(failures)
        self.retry = retry
        self.asked = 0

    def __call__(self):
        self.asked += 1
        if self.failures:
            raise ProviderError("acme", self.failures.pop(0), "no", retry_after=self.retry)
        return "data"


def kind_of(manners, source):
    with pytest.raises(ProviderError) as caught:
        manners.ask(source, "data")
    return caught.value.kind


@pytest.mark.parametrize(
    "kind", [Failure.SERVER, Failure.TIMED_OUT, Failure.UNREACHABLE, Failure.UNREADABLE]
)
def test_what_may_pass_is_tried_again_after_a_wait_that_doubles(manners, clock, kind):
    source = Source(kind, kind)
    assert manners().ask(source, "data") == "data"
    assert clock.slept == [0.5, 1.0]


def test_the_third_failure_is_told(manners):
    source = Source(*[Failure.SERVER] * 3)
    assert kind_of(manners(), source) is Failure.SERVER
    assert source.asked == 3


@pytest.mark.parametrize(
    "kind", [Failure.UNKNOWN, Failure.NOT_OFFERED, Failure.DENIED, Failure.BUDGET_SPENT]
)
def test_what_stays_is_asked_once(manners, clock, kind):
    source = Source(kind)
    assert kind_of(manners(), source) is kind
    assert (source.asked, clock.slept) == (1, [])


def test_what_the_provider_asks_for_is_waited_and_a_little_more(manners, clock):
    assert manners().ask(Source(Failure.RATE_LIMITED, retry=20), "data") == "data"
    assert clock.slept == [20.5]


def test_nobody_waits_longer_than_patience(manners, clock):
    """The next provider may answer meanwhile."""
    source = Source(Failure.RATE_LIMITED, retry=20)
    assert kind_of(manners(patience=1.5), source) is Failure.RATE_LIMITED
    assert (source.asked, clock.slept) == (1, [])


def test_a_provider_that_asked_to_wait_is_left_alone_until_then(manners, clock):
    impatient = manners(patience=1.5)
    kind_of(impatient, Source(Failure.RATE_LIMITED, retry=20))
    source = Source()
    assert kind_of(impatient, source) is Failure.RESTING
    clock.advance(20)
    assert impatient.ask(source, "data") == "data"
    assert source.asked == 1


def test_after_five_failures_it_rests_and_then_one_tries(manners, clock):
    polite = manners(tries=1)
    source = Source(*[Failure.SERVER] * 6)
    for _ in range(5):
        assert kind_of(polite, source) is Failure.SERVER
    assert kind_of(polite, source) is Failure.RESTING
    assert source.asked == 5
    clock.advance(60)
    assert kind_of(polite, source) is Failure.SERVER  # the one that tries
    assert kind_of(polite, source) is Failure.RESTING
    assert source.asked == 6
    clock.advance(60)
    assert polite.ask(source, "data") == "data"
    assert polite.ask(source, "data") == "data"


def test_only_one_tries_while_the_others_rest(manners, clock):
    polite = manners(tries=1)
    for _ in range(5):
        kind_of(polite, Source(Failure.SERVER))
    clock.advance(60)
    inner = Source()

    def slow():
        assert kind_of(polite, inner) is Failure.RESTING  # somebody else, meanwhile
        return "data"

    assert polite.ask(slow, "data") == "data"
    assert inner.asked == 0


def test_a_success_forgets_failures_and_a_no_is_a_sign_of_health(manners):
    polite = manners(tries=1)
    four = [Failure.SERVER] * 4
    source = Source(*four)
    assert [kind_of(polite, source) for _ in four] == four
    assert polite.ask(source, "data") == "data"
    assert kind_of(polite, Source(Failure.SERVER)) is Failure.SERVER
    source = Source(*four[1:], Failure.UNKNOWN, *four)
    kinds = [kind_of(polite, source) for _ in range(8)]
    assert kinds == [*four[1:], Failure.UNKNOWN, *four]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        ("soon", None),
        (format_datetime(datetime.fromtimestamp(NOW / 1e9 + 90, UTC), usegmt=True), 90.0),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 0.0),  # long ago
    ],
)
def test_a_retry_after_is_read(header, seconds):
    assert retry_after(header, NOW) == seconds


# ---- budgets ----


def test_requests_keep_their_distance(manners, clock):
    polite = manners({"acme": [Allowance(2, 1)]})
    for _ in range(5):
        polite.spend()
    assert sum(clock.slept) == 2.0  # two now, two a second later, one after that


def test_a_count_outlives_the_process(manners, clock, tmp_path):
    allowances = {"acme": [Allowance(3, 86_400)]}
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=spend_one, args=(str(tmp_path / "budget.db"), clock.now))
    other.start()
    other.join()
    assert other.exitcode == 0
    polite = manners(allowances)
    polite.spend()
    polite.spend()
    with pytest.raises(ProviderError, match="3 a day"):
        polite.spend()


def spend_one(path, now):
    Budget(path, FakeClock(now), {"acme": [Allowance(3, 86_400)]}).take("acme")


def test_processes_that_count_at_once_never_pass_what_is_allowed(clock, tmp_path):
    """Three of them, each of which would use up more than its share."""
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    arguments = (str(tmp_path / "budget.db"), clock.now, told, context.Barrier(3))
    others = [context.Process(target=spend_all, args=arguments) for _ in range(3)]
    for each in others:
        each.start()
    for each in others:
        each.join()
    assert [each.exitcode for each in others] == [0, 0, 0]
    assert sum(told.get() for _ in others) == 25


def spend_all(path, now, told, start):
    budget = Budget(path, FakeClock(now), {"acme": [Allowance(25, 86_400)]})
    budget.spent()
    granted = 0
    start.wait()
    for _ in range(25):
        try:
            budget.take("acme", patience=0)
        except ProviderError:
            continue
        granted += 1
    told.put(granted)


def test_the_standing_of_every_allowance_is_shown(manners, clock, tmp_path):
    allowances = {"acme": [Allowance(2, 86_400), Allowance(1, 1)], "other": [Allowance(9, 60)]}
    polite = manners(allowances)
    polite.spend()
    clock.advance(10)
    budget = Budget(tmp_path / "budget.db", clock, allowances)
    day, second, other = budget.spent()
    assert (day.used, day.left, str(day.allowance)) == (1, 1, "2 a day")
    assert (second.used, second.left, other.left) == (0, 1, 9)
    polite.spend()
    day, *_ = budget.spent()
    assert (day.left, day.free_at) == (0, NOW + 86_400 * 10**9)
    polite.block(clock.now + 5, "enough")
    assert budget.spent()[1].left == 0
    assert budget.spent()[1].blocked == "enough"
    budget.close()


def test_a_file_that_cannot_count_lets_nothing_out(clock, tmp_path):
    (tmp_path / "budget.db").write_text("this is no database, and long enough to be read as one")
    budget = Budget(tmp_path / "budget.db", clock)
    with pytest.raises(OutsideError, match="nothing is sent uncounted"):
        budget.take("acme")


def test_a_clock_that_was_set_back_gives_nothing_away(manners, clock):
    polite = manners({"acme": [Allowance(2, 86_400)]})
    polite.spend()
    polite.spend()
    clock.step(-3600)
    with pytest.raises(ProviderError):
        polite.spend()
