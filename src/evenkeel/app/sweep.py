"""A sweep: one request, run again for every parameter set, each time through gate and books."""

from __future__ import annotations

from functools import cached_property
from math import isnan
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from evenkeel.app.backtest import execute, plan
from evenkeel.app.strategies import load_strategy
from evenkeel.domain.errors import UsageError, did_you_mean
from evenkeel.lab.sweep import Trial, grid, run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd

    from evenkeel.app.setup import Request
    from evenkeel.lab.sweep import Figures, Params, Progress, Value
    from evenkeel.market.csv_files import Source
    from evenkeel.reports.result import Result
    from evenkeel.strategy.trader import Trader

FIGURES = ("sharpe", "total_return", "max_drawdown")


class Sweep(Struct, frozen=True, dict=True):
    """Every trial of a sweep, in the order of its grid; none is left out."""

    trials: Sequence[Trial]

    def __len__(self) -> int:
        """Return how many trials were made: the n of whoever picks the best of n."""
        return len(self.trials)

    def ranked(self, figure: str = "sharpe") -> list[Trial]:
        """Return the trials that could run, the highest figure first, undefined ones last."""
        ran = [trial for trial in self.trials if not trial.error]
        if not ran:
            raise UsageError(f"no trial could run; the first one says: {self.trials[0].error}")
        known = ran[0].figures
        if figure not in known:
            raise UsageError(
                f"a trial has no figure {figure!r} (it has: {', '.join(known)})"
                f"{did_you_mean(figure, known)}"
            )
        return sorted(ran, key=lambda trial: _rank(trial.figures[figure]), reverse=True)

    def best(self, figure: str = "sharpe") -> Trial:
        """Return the trial with the highest figure, the first one of equals.

        It is the best of `len(self)` trials, and looks better than it is for that reason alone.
        """
        return self.ranked(figure)[0]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per trial: its parameters, its figures, and why it could not run."""
        import pandas as pd  # only who asks for a frame waits for pandas

        rows = [{**each.params, **each.figures, "error": each.error} for each in self.trials]
        return pd.DataFrame(rows)


def headline(result: Result) -> Figures:
    """Return what a trial is judged by, when nobody asks for something else."""
    return {
        **{name: result.performance[name] for name in FIGURES},
        "fills": result.fill_count,
        "equity_end": result.equity_end,
    }


def sweep(
    strategy: str | type[Trader] | Trader,
    bars: Source,
    values: Mapping[str, Iterable[Value]],
    *,
    judge: Callable[[Result], Figures] = headline,
    processes: int | None = None,
    progress: Progress | None = None,
    **wishes: Any,  # noqa: ANN401 - those of `backtest`
) -> Sweep:
    """Run a strategy once for every combination of `values`, such as `{"fast": range(5, 50, 5)}`.

    `strategy`, `bars` and every other argument are those of `backtest`. `judge` reads the figures
    off each result, in the process that made it. `processes` is how many share the work (None: as
    many as pay); the bars are shared between them, and the trials are the same with any number: of
    a strategy that keeps what it learns on itself, not on its class, and has dice of its own. A
    parameter set that the strategy refuses is a trial with an `error`.
    """
    wanted = plan(strategy, bars, **wishes)
    return repeat(wanted, values, judge=judge, processes=processes, progress=progress)


def repeat(
    wanted: Request,
    values: Mapping[str, Iterable[Value]],
    *,
    judge: Callable[[Result], Figures] = headline,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Run a request once for every combination of parameter values."""
    combinations = grid(values)
    # A name that is not a parameter's is wrong in all trials: it is refused before the first one.
    load_strategy(wanted.strategy, {name: wanted.strategy.params.get(name) for name in values})

    wanted = replace(wanted, digests=wanted.tape_digests())

    def work(params: Params) -> Figures:
        strategy = load_strategy(wanted.strategy, params)
        return judge(execute(replace(wanted, strategy=strategy)))

    return Sweep(run_all(work, combinations, processes=processes, progress=progress))


def _rank(value: Value) -> float:
    """Return a figure as a number to compare; one that is not defined ranks last."""
    number = float(value)
    return float("-inf") if isnan(number) else number
