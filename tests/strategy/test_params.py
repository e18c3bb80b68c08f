"""A parameter is named, typed and bounded; a wrong one is refused with the law and the value."""

import numpy as np
import pytest

import evenkeel as ek
from evenkeel.domain.errors import StrategyError
from evenkeel.strategy.params import params_of, values_for


class Wavy(ek.Strategy):
    fast: int = ek.param(20, ge=2, le=200)
    slow: int = ek.param(50, ge=5)
    share: float = ek.param(0.5, gt=0, lt=1)
    ceiling: float = ek.param(1.0, le=9)
    long_only: bool = ek.param(default=True)
    mode: str = ek.param("calm", choices=("calm", "wild"))
    label: str = ek.param("x")


class Wavier(Wavy):
    fast: int = ek.param(7, ge=2, le=9)
    extra: int = ek.param(1)


def test_a_whole_number_of_numpys_is_one():
    """As an optimiser hands them on."""
    assert type(values_for(Wavy, {"fast": np.int64(10)})["fast"]) is int


def test_parameters_are_plain_attributes_with_their_defaults():
    strategy = Wavy(fast=10)
    assert (strategy.fast, strategy.slow, strategy.share) == (10, 50, 0.5)
    assert strategy.params == {
        "fast": 10,
        "slow": 50,
        "share": 0.5,
        "ceiling": 1.0,
        "long_only": True,
        "mode": "calm",
        "label": "x",
    }


def test_a_strategy_is_shown_as_one_would_write_it():
    assert repr(Wavier(label="y")) == (
        "Wavier(fast=7, slow=50, share=0.5, ceiling=1.0, long_only=True, mode='calm', label='y', extra=1)"
    )


def test_a_clone_has_the_same_parameters():
    strategy = Wavy(fast=10)
    strategy.memory = 1
    assert strategy.clone().params == strategy.params
    assert not hasattr(strategy.clone(), "memory")


def test_a_subclass_adds_and_overrides():
    assert list(params_of(Wavier)) == [*params_of(Wavy), "extra"]
    assert Wavier().fast == 7


def test_a_subclass_gives_a_parameter_another_default():
    """By name alone, as in any Python class; it keeps its law, its place and its type."""

    class Faster(Wavy):
        fast = 5
        share = 0.25

    class Fastest(Faster):
        fast = 2
        label = "y"

    assert list(params_of(Fastest)) == list(params_of(Wavy))
    assert (Faster().fast, Faster().share, Fastest().fast, Fastest().share) == (5, 0.25, 2, 0.25)
    assert Faster(fast=9).fast == Faster(fast="9").params["fast"] == 9
    assert Fastest().params == {**Wavy().params, "fast": 2, "share": 0.25, "label": "y"}
    with pytest.raises(StrategyError, match=r"Faster.fast must be .* from 2 to 200, was 1"):
        Faster(fast=1)


def test_a_subclass_cannot_give_a_default_that_breaks_the_law():
    class Wrong(Wavy):
        fast = 201

    with pytest.raises(StrategyError, match=r"Wrong.fast must be .* from 2 to 200, was 201"):
        Wrong()


@pytest.mark.parametrize("default", [None, [5], lambda self: 5], ids=["none", "a list", "a method"])
def test_a_subclass_cannot_give_a_default_of_no_kind(default):
    """It would run with that, and the journal would say the other."""
    wrong = type("Wrong", (Wavy,), {"fast": default})
    with pytest.raises(StrategyError, match=r"Wrong\.fast must be a value such as .*, was "):
        wrong()


@pytest.mark.parametrize(
    "name", ["cash", "position", "buy", "on_bar", "engine", "log", "bars", "instrument"]
)
def test_a_parameter_cannot_hide_what_every_strategy_has(name):
    """Nobody would find it out: `self.cash` would be a number like any other."""
    hiding = type("Hiding", (ek.Strategy,), {name: ek.param(3)})
    law = f"Hiding.{name} would hide the {name} that every strategy has"
    with pytest.raises(StrategyError, match=law):
        hiding()


def test_a_subclass_may_work_a_parameter_out():
    class Fixed(Wavy):
        @property
        def fast(self):
            return 7

    assert (Fixed().fast, Fixed().clone().fast) == (7, 7)


def test_a_wrong_name_says_which_one_was_meant():
    with pytest.raises(
        StrategyError,
        match=r"^Wavy has no parameter 'fsat' \(it has: fast, slow, .*\); did you mean 'fast'\?$",
    ):
        Wavy(fsat=10)


def test_a_name_that_resembles_nothing_lists_what_there_is():
    with pytest.raises(StrategyError, match=r"has no parameter 'qqqqqq' \(it has: none\)$"):
        values_for(ek.Strategy, {"qqqqqq": 1})


@pytest.mark.parametrize(
    ("name", "value", "law"),
    [
        ("fast", 1, "a whole number from 2 to 200"),
        ("fast", 201, "a whole number from 2 to 200"),
        ("fast", 2.5, "a whole number from 2 to 200"),
        ("fast", "ten", "a whole number from 2 to 200"),
        ("fast", True, "a whole number from 2 to 200"),
        ("fast", None, "a whole number from 2 to 200"),
        ("slow", 4, "a whole number from 5"),
        ("share", 0, "a number above 0 below 1"),
        ("share", 1.0, "a number above 0 below 1"),
        ("share", float("nan"), "a number above 0 below 1"),
        ("share", True, "a number above 0 below 1"),
        ("ceiling", 9.5, "a number at most 9"),
        ("long_only", "perhaps", "true or false"),
        ("long_only", 1, "true or false"),
        ("mode", "stormy", "one of calm, wild"),
        ("label", 5, "text"),
    ],
)
def test_a_bad_value_states_the_law_and_the_value(name, value, law):
    with pytest.raises(StrategyError) as caught:
        Wavy(**{name: value})
    assert str(caught.value) == f"Wavy.{name} must be {law}, was {value!r}"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("fast", "2", 2),
        ("fast", "200", 200),
        ("share", "0.25", 0.25),
        ("ceiling", 9, 9.0),
        ("long_only", "No", False),
        ("long_only", "yes", True),
        ("mode", "wild", "wild"),
        ("label", "", ""),
    ],
)
def test_text_from_the_command_line_becomes_the_parameters_type(name, text, value):
    strategy = Wavy(**{name: text})
    assert getattr(strategy, name) == value
    assert type(getattr(strategy, name)) is type(value)


def test_a_default_outside_its_own_law_is_found_when_it_is_used():
    class Wrong(ek.Strategy):
        n: int = ek.param(0, ge=1)

    with pytest.raises(StrategyError, match=r"Wrong.n must be a whole number from 1, was 0"):
        Wrong()


def test_a_default_of_no_kind_is_refused_where_it_is_written():
    for default in ([1, 2], None, (1,), np.int64(3)):
        with pytest.raises(
            StrategyError, match=r"^a parameter's default must be true or false, .*was"
        ):
            ek.param(default)


def test_true_is_not_a_whole_number():
    with pytest.raises(StrategyError, match=r"Wavier.extra must be a whole number, was True"):
        Wavier(extra=True)
