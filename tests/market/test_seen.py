"""What was seen, told in any order and any number of times, is the same story."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evenkeel.market.seen import PREFERENCE, VALUES, held_at, seen, settled, together

LOOK = st.tuples(  # when somebody looked, at which symbol and bar, and what it showed
    st.integers(1, 4),
    st.sampled_from(["A", "NAN", "true"]),
    st.integers(0, 3),
    st.sampled_from([1.0, 2.0, float("nan")]),
    st.sampled_from([0.0, 5.0]),
)


def rows(looks):
    """One source for each look: the arrays say what the tuples say."""
    return together(
        [
            seen(
                [symbol],
                np.zeros(1, np.int64),
                np.array([bar]),
                {**dict.fromkeys(("open", "high", "low", "close"), np.array([price])),
                 "volume": np.array([volume])},
                at=at,
                source=f"look {at}",
            )
            for at, symbol, bar, price, volume in looks
        ]
    )  # fmt: skip


def plainly(looks):
    """The same by dictionaries: each value with its first and last sight; the last seen holds."""
    sights = {}
    for at, symbol, bar, price, volume in looks:
        value = (repr(price), volume)
        first, last = sights.setdefault((symbol, bar), {}).get(value, (at, at))
        sights[symbol, bar][value] = (min(first, at), max(last, at))
    holds = {}
    for key, values in sights.items():

        def rank(value, values=values):
            price = -np.inf if value[0] == "nan" else float(value[0])
            return values[value][1], value[1], price

        best = max(values, key=rank)
        holds[key] = (best, values[best], {v: s for v, s in values.items() if v != best})
    return holds


def told(held, lost):
    found = {}
    for part, holding in ((held, True), (lost, False)):
        for row in range(len(part)):
            key = part.names[part.codes[row]], int(part.ts[row])
            value = repr(float(part.values["close"][row])), float(part.values["volume"][row])
            sights = int(part.first_seen[row]), int(part.last_seen[row])
            if holding:
                assert key not in found
                found[key] = (value, sights, {})
            else:
                found[key][2][value] = sights
    return found


@given(st.lists(LOOK, min_size=1, max_size=30))
def test_each_value_is_kept_once_and_the_last_seen_holds(looks):
    assert told(*settled(rows(looks))) == plainly(looks)


@given(st.lists(LOOK, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(looks, random):
    again = looks + looks[: len(looks) // 2]
    random.shuffle(again)
    assert told(*settled(rows(again))) == told(*settled(rows(looks)))


RESTATED = st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=12)


@given(RESTATED, st.integers(0, 9))
def test_what_held_at_a_time_is_what_whoever_looked_until_then_would_say(sights, moment):
    """Of a bar whose value changes now and then, and does not come back to what it was."""
    looks, price = [], 1.0
    for at, changes in sorted(sights):
        price += changes
        looks.append((at, "A", 0, price, 5.0))
    known = [look for look in looks if look[0] <= moment]
    then = held_at(rows(looks), moment)
    assert list(map(float, then.values["close"])) == ([known[-1][3]] if known else [])


def test_a_value_that_came_back_counts_from_its_first_sight():
    """What was seen in between is not kept: at 3 the second value is the last that is known of."""
    looks = [(at, "A", 0, price, 5.0) for at, price in ((1, 1.0), (2, 2.0), (4, 1.0))]
    then = [held_at(rows(looks), moment).values["close"][0] for moment in (1, 2, 3, 4)]
    assert then == [1.0, 2.0, 2.0, 1.0]


def test_every_value_has_a_preference():
    assert sorted(PREFERENCE) == sorted(VALUES)
