"""What backtest, paper and parity share: one request becomes one core, whoever runs it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

from evenkeel.domain.errors import ConfigError, UsageError, did_you_mean
from evenkeel.domain.events import CorporateAction, RunStarted
from evenkeel.domain.fx import FX_COSTS, SETTING, FxRates
from evenkeel.domain.instrument import facts_of
from evenkeel.domain.money import exact, is_currency, text
from evenkeel.domain.tape import Tape
from evenkeel.engine.core import Core
from evenkeel.engine.lender import Lender
from evenkeel.execution.costs import (
    BasisPoints,
    IbkrFixed,
    IbkrTiered,
    PerOrder,
    Zero,
    parse_costs,
)
from evenkeel.execution.filling import parse_share
from evenkeel.execution.financing import NONE, Terms, parse_terms
from evenkeel.execution.latency import FarVenue, at_distance
from evenkeel.execution.simulated import SimulatedBroker
from evenkeel.execution.slippage import check_bars, late, parse_slippage
from evenkeel.reports.text import iso
from evenkeel.risk.limits import Limits, load_limits
from evenkeel.strategy.trader import Trader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evenkeel.domain.bar import Bars
    from evenkeel.execution.costs import CostModel
    from evenkeel.execution.slippage import AnySlippage

CASH = Decimal(100_000)
COSTS = "ibkr-fixed"
SLIPPAGE = "bps:1"
VOLUME_SHARE = Decimal("0.1")
WITH_BROKER = {"interest": "6", "borrow": "0.5", "margin": "reg-t"}
"""What Interactive Brokers' tariffs bring along unless told otherwise; no other tariff does."""

TARIFF = "tariff"
"""The word for what a tariff brings along."""
TOUCH: Literal["at", "through"] = "at"


class Request(Struct, frozen=True, kw_only=True):
    """Everything that a run's journal follows from. `data` says where the bars came from.

    `since` is when a run on live prices begins: what closed before it is history to learn from.
    `digests` are those of the bars where they are known already: whoever makes many requests over
    the same bars has them computed once.
    """

    strategy: Trader
    bars: Sequence[Bars]
    cash: Decimal
    currency: str
    costs: CostModel
    slippage: AnySlippage
    limits: Limits
    terms: Terms
    volume_share: Decimal = VOLUME_SHARE
    touch: Literal["at", "through"] = TOUCH
    actions: Sequence[CorporateAction] = ()
    data: Mapping[str, Any] = {}
    fx: Mapping[str, str] = {}
    fx_costs: CostModel = field(default_factory=Zero)
    since: int | None = None
    digests: Mapping[str, str] | None = None

    def tape_digests(self) -> Mapping[str, str]:
        """Return what identifies the bars, by instrument."""
        if self.digests is not None:
            return self.digests
        return {each.instrument.id: each.digest() for each in self.bars}

    def started(self) -> RunStarted:
        """Return the first record of the journal."""
        first = int(min(history.closed_at[0] for history in self.bars))
        return RunStarted(
            at=first if self.since is None else self.since,
            strategy=self.strategy.name,
            params={name: str(value) for name, value in self.strategy.params.items()},
            instruments={each.instrument.id: facts_of(each.instrument) for each in self.bars},
            tape=dict(self.tape_digests()),
            cash=self.cash,
            currency=self.currency,
            costs=self.costs.name,
            slippage=self.slippage.name,
            limits=self.limits.as_text(),
            settings={
                "volume_share": text(self.volume_share),
                "touch": self.touch,
                **(
                    {}
                    if self.strategy.engine == Trader.engine
                    else {"engine": self.strategy.engine}
                ),
                **self.terms.as_settings(),
                **{f"{SETTING}{currency}": rates for currency, rates in self.fx.items()},
                **({} if self.fx_costs == Zero() else {FX_COSTS: self.fx_costs.name}),
            },
        )

    def core(self, tape: Tape) -> Core:
        """Return a core that runs this request on a tape (which may still be growing)."""
        return Core(self.started(), self.strategy, tape, self.limits)

    def venue(self, tape: Tape) -> SimulatedBroker | FarVenue:
        """Return the simulated broker that this request trades with."""
        venue = SimulatedBroker(
            tape,
            costs=self.costs,
            slippage=self.slippage,
            volume_share=self.volume_share,
            touch=self.touch,
        )
        return at_distance(venue, late(self.slippage))

    def lender(self, core: Core) -> Lender | None:
        """Return who charges for what this request's account owes; None where nothing is charged."""
        return Lender(core.account, self.terms) if self.terms else None


def request(
    strategy: Trader,
    bars: Sequence[Bars],
    *,
    cash: Decimal | float | str = CASH,
    currency: str = "USD",
    costs: str | CostModel | None = None,
    slippage: str | AnySlippage | None = None,
    limits: Limits | str | Path | None = None,
    volume_share: Decimal | float | str | None = None,
    touch: str | None = None,
    interest: str | None = None,
    borrow: str | None = None,
    margin: str | None = None,
    fx: Mapping[str, str] | None = None,
    fx_costs: str | None = None,
    actions: Sequence[CorporateAction] = (),
    data: Mapping[str, Any] | None = None,
) -> Request:
    """Check a wish for a run and fill in the defaults; `UsageError` says what is wrong."""
    if not is_currency(currency):
        raise UsageError(
            f"currency must be three capitals of ISO 4217 such as EUR, was {currency!r}"
        )
    rates = FxRates.from_texts(fx or {})
    for traded in (history.instrument for history in bars):
        if traded.currency != currency and traded.currency not in rates:
            raise UsageError(
                f"{traded.id} trades in {traded.currency} and the account is in {currency}; give "
                f"the rate with --fx {traded.currency}=RATE or a file of prices (in a bot's file: "
                "account.fx), open the account in that currency, or say in which the instrument "
                f"trades: {traded.id}:currency={currency}"
            )
    if touch not in {None, "at", "through"}:
        raise UsageError(f"touch must be 'at' or 'through', was {touch!r}")
    tariff = parse_costs(COSTS if costs is None else costs)
    slips = parse_slippage(SLIPPAGE if slippage is None else slippage)
    for history in bars:
        _check_times(history)
        _check(tariff, slips, history)
    known = [history.instrument.id for history in bars]
    _check_actions(actions, known)
    return Request(
        strategy=strategy,
        bars=bars,
        cash=_cash(cash),
        currency=currency,
        costs=tariff,
        slippage=slips,
        limits=_limits(limits),
        terms=_terms(tariff, known, interest=interest, borrow=borrow, margin=margin),
        volume_share=VOLUME_SHARE if volume_share is None else parse_share(volume_share),
        touch="through" if touch == "through" else "at",
        actions=actions,
        data=data or {},
        fx=dict(fx or {}),
        fx_costs=_fx_costs(fx_costs, rates=fx or {}),
    )


def _fx_costs(written: str | None, *, rates: Mapping[str, str]) -> CostModel:
    """Return the tariff for changing money; it knows of no shares, no days and no markets."""
    if written is None:
        return Zero()
    tariff = parse_costs(written)
    if not isinstance(tariff, Zero | BasisPoints | PerOrder):
        raise UsageError(f"fx costs can be zero, bps:3 or per-order:2, not {written!r}")
    if not rates and tariff != Zero():
        raise UsageError(
            f"fx costs {written!r} are for runs with rates; give one with --fx EUR=1.08"
        )
    return tariff


def _check_times(bars: Bars) -> None:
    """Raise `UsageError` when bars closed before 1970: a tape begins there and would skip them."""
    first = int(bars.closed_at[0])
    if first < 0:
        raise UsageError(
            f"the first bar of {bars.instrument.id} closed at {iso(first)}, and a run cannot begin "
            "before 1970; leave out what is older: --start 1970-01-02 (in Python "
            'start="1970-01-02"), or a file that begins later'
        )


def _check(costs: CostModel, slippage: AnySlippage, bars: Bars) -> None:
    """Raise `UsageError` when a model lacks the rates or the columns that these bars ask for."""
    if hasattr(costs, "check"):
        costs.check(bars.instrument, int(bars.closed_at[0]), int(bars.closed_at[-1]))
    check_bars(slippage, bars)


def _limits(wished: Limits | str | Path | None) -> Limits:
    """Return the limits that were wished for: an object, or the card in a file."""
    if wished is None:
        return Limits.permissive_for_research()
    if isinstance(wished, str | Path):
        return load_limits(wished)
    if not isinstance(wished, Limits):
        raise UsageError(f"limits must be Limits or the path of a limit card, was {wished!r}")
    return wished


def _check_actions(actions: Sequence[CorporateAction], known: Sequence[str]) -> None:
    """Raise `UsageError` for shares of which the run has no prices, and for what becomes itself."""
    for action in actions:
        given = getattr(action, "child", None) or getattr(action, "into", None)
        if action.instrument in {given, getattr(action, "to", None)}:
            raise UsageError(
                f"{type(action).__name__} of {action.instrument} names {action.instrument} itself; "
                "correct it or leave it out"
            )
        if given is not None and given not in known:
            raise UsageError(
                f"{type(action).__name__} of {action.instrument} gives shares of {given}, of which "
                "the run has no bars; add them to the data"
            )


def _terms(costs: CostModel, known: Sequence[str], **wished: str | None) -> Terms:
    """Return the terms that were wished for; None or `tariff`: those that go with the tariff.

    Raises `UsageError` for a share to borrow of which the run has no bars: a name that is written
    wrong would be lent at the rate of all others.
    """
    usual = WITH_BROKER if isinstance(costs, IbkrFixed | IbkrTiered) else {}
    said = {
        key: usual.get(key, NONE) if value in {None, TARIFF} else str(value)
        for key, value in wished.items()
    }
    terms = parse_terms(**said)
    for name, _ in terms.borrow.of_instrument:
        if name not in known:
            raise UsageError(
                f"borrow {terms.borrow.name!r} names {name}, of which the run has no bars; it has "
                f"{', '.join(known)}{did_you_mean(name, known)}"
            )
    return terms


def _cash(value: Decimal | float | str) -> Decimal:
    try:
        cash = exact(value)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ConfigError(f"cash must be a number, was {value!r}") from error
    if not cash.is_finite() or cash <= 0:
        raise ConfigError(f"cash must be a positive amount, was {value}")
    return cash
