"""A column of values read from now backwards. Nobody can read a value ahead of the cursor.

    bars.close[0]    the bar that just completed
    bars.close[-1]   the bar before it

Series are computed in `setup`, for the whole history at once, with numpy, and read through the
tape's cursor. Once `setup` is over they end with the newest completed bar, whatever they are asked.
When the history grows (paper, live) or its scale changes (a split), `setup` is run again on it and
each series takes over the values of its successor: `Frame` remembers them in order of creation.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from evenkeel.domain.errors import StrategyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenkeel.domain.bar import AnyArray
    from evenkeel.domain.instrument import Instrument
    from evenkeel.domain.tape import Cursor


class Frame:
    """The series that one run of `setup` made on one timeline, in order of creation."""

    __slots__ = ("_kept", "_made", "cursor", "sealed")

    def __init__(self, cursor: Cursor, *, keep: bool = False) -> None:
        """Read through `cursor`; `keep` holds intermediate series alive for a successor."""
        self.cursor = cursor
        self._made: list[ref[Series]] = []
        self.sealed = False
        """Whether `setup` is over: from then on only completed bars are shown."""
        self._kept: list[Series] | None = [] if keep else None

    def remember(self, series: Series) -> None:
        """Note a new series of `setup`; one that is made later lives for its moment only."""
        if self.sealed:
            return
        self._made.append(ref(series))
        if self._kept is not None:
            self._kept.append(series)

    def seal(self) -> None:
        """End `setup`."""
        self.sealed = True

    def take_over(self, successor: Frame) -> None:
        """Give every living series the values that the same line of `setup` made this time."""
        if len(self._made) != len(successor._made):
            raise StrategyError(
                f"setup made {len(self._made)} series at first and {len(successor._made)} on a "
                "longer history; it must make the same ones whatever the bars are"
            )
        # Instruments share a cursor while their bar times agree; news of one alone parts them.
        self.cursor = successor.cursor
        for mine, theirs in zip(self._made, successor._made, strict=True):
            living, fresh = mine(), theirs()
            if living is not None and fresh is not None:
                living.become(fresh._column, fresh._cursor)  # noqa: SLF001 - another of our own kind


_OVER = "this series was computed on an earlier bar and ends there; compute series in setup"

_UNREAD = memoryview(b"")
"""What a series looks into until it is read on a bar: every index lies outside, -1 too."""


class Series:
    """Values aligned with an instrument's bars: `[0]` is now, `[-1]` the bar before.

    Arithmetic, comparison and `& | ~` work element by element and give a series again. Warm-up is
    NaN, and every comparison with NaN is false. Reading before the first bar gives NaN (or False).
    What is computed after `setup` is of completed bars, and lives for its moment only.
    """

    __slots__ = ("__weakref__", "_column", "_cursor", "_frame", "_view")
    __hash__ = None  # type: ignore[assignment]  # == gives a series, as in numpy

    def __init__(self, values: AnyArray, frame: Frame) -> None:
        """Wrap `values` (float64 or bool, one per bar) on the timeline of `frame`."""
        self._frame = frame
        self.become(values, frame.cursor)
        frame.remember(self)

    def become(self, values: AnyArray, cursor: Cursor) -> None:
        """Take other values, made by the same computation on another history, and its cursor."""
        self._column, self._cursor, self._view = values, cursor, _UNREAD

    def __getitem__(self, back: int) -> Any:  # noqa: ANN401 - a float or a bool, as computed
        """Return the value now (0) or `-back` bars ago; IndexError for a positive index."""
        if back:
            return self._past(back)
        try:
            return self._view[self._cursor.index]
        except IndexError:
            return self._past(0)

    def _past(self, back: int) -> Any:  # noqa: ANN401 - see above
        """Return what is seldom asked for; everything counts in what is asked on every bar."""
        if back > 0:
            raise IndexError(f"[{back}] lies in the future; [0] is now, [-1] the bar before")
        index = self._cursor.index + back
        if self._cursor.index >= len(self._column):
            raise StrategyError(_OVER)
        if index < 0:
            return False if self._column.dtype == np.bool_ else nan
        if self._view is _UNREAD:  # not earlier: before the first bar its [-1] is the last of all
            self._view = self._column.data  # gives Python numbers, without a copy
        return self._view[index]

    @property
    def values(self) -> AnyArray:
        """The numpy array: in `setup` of the whole history, afterwards of the completed bars."""
        return self._column[: self._cursor.index + 1] if self._frame.sealed else self._column

    def __len__(self) -> int:
        """Return the number of bars: in `setup` of the whole history, afterwards of completed ones."""
        return len(self.values)

    def __repr__(self) -> str:
        """Say how many values there are and how they end, in `setup` with the last of all."""
        values = self.values
        last = ", ".join(f"{each:g}" for each in values[-3:].tolist())
        return f"<Series of {len(values)}{': … ' if len(values) > 3 else ': '}{last}>"

    def __bool__(self) -> bool:
        """Refuse: a whole series is neither true nor false."""
        raise TypeError("a series is not true or false by itself; ask for a value: series[0]")

    def __array__(self, dtype: Any = None, copy: Any = None) -> AnyArray:  # noqa: ANN401
        """Let numpy read the values (`np.median(bars.close)`); see `derive` for the way back."""
        return (
            np.array(self.values, dtype=dtype, copy=bool(copy))
            if copy
            else np.asarray(self.values, dtype=dtype)
        )

    def __array_ufunc__(
        self, ufunc: Callable[..., AnyArray], method: str, *inputs: object, **options: object
    ) -> Series:
        """Apply a numpy function element by element; the result is a series again."""
        if method != "__call__" or options.get("out") is not None:
            raise StrategyError(
                f"numpy's {getattr(ufunc, '__name__', ufunc)}.{method} does not work bar by bar; "
                "compute on series.values and wrap the result with series.derive(array)"
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.derive(ufunc(*[self.aligned(each) for each in inputs], **options))

    @property
    def times(self) -> memoryview:
        """When each of these bars closed (int64, UTC nanoseconds)."""
        return self._cursor.times[: len(self)]

    def where(self) -> tuple[AnyArray, AnyArray]:
        """Return when the bars of the whole history close where this is true, and their places.

        For the engine, which calls nobody before his time.
        """
        (places,) = self._column.nonzero()
        return np.asarray(self._cursor.times)[places], places

    def derive(self, values: AnyArray) -> Series:
        """Return a series of other values on the same timeline (one value per bar)."""
        values = np.asarray(values)
        if values.shape != self.values.shape:
            raise StrategyError(
                f"a series needs one value per bar: {len(self)}, was {values.shape}"
            )
        kind = np.bool_ if values.dtype == np.bool_ else np.float64
        return Series(np.ascontiguousarray(values, dtype=kind), self._frame)

    def aligned(self, other: object) -> Any:  # noqa: ANN401 - an array, or what it combines with
        """Return what stands beside `values` when numpy combines them: a series' own, or `other`.

        Raises `StrategyError` for a series of other bar times.
        """
        if not isinstance(other, Series):
            return other
        if other._cursor is not self._cursor:  # noqa: SLF001 - another of our own kind
            raise StrategyError(
                "two series of different bar times cannot be combined element by element"
            )
        if len(other.values) != len(self.values):
            raise StrategyError(_OVER)
        return other.values

    def _with(self, function: Callable[..., AnyArray], *operands: object) -> Series:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.derive(function(*[self.aligned(each) for each in operands]))

    def _asked(self, function: Callable[..., AnyArray], other: object) -> Series:
        """As `_with`, of questions: they divide nothing, so there is no warning to keep quiet."""
        return self.derive(function(self.values, self.aligned(other)))

    def __add__(self, other: object) -> Series:
        return self._with(np.add, self, other)

    def __radd__(self, other: object) -> Series:
        return self._with(np.add, other, self)

    def __sub__(self, other: object) -> Series:
        return self._with(np.subtract, self, other)

    def __rsub__(self, other: object) -> Series:
        return self._with(np.subtract, other, self)

    def __mul__(self, other: object) -> Series:
        return self._with(np.multiply, self, other)

    def __rmul__(self, other: object) -> Series:
        return self._with(np.multiply, other, self)

    def __truediv__(self, other: object) -> Series:
        return self._with(np.divide, self, other)

    def __rtruediv__(self, other: object) -> Series:
        return self._with(np.divide, other, self)

    def __pow__(self, other: object) -> Series:
        return self._with(np.power, self, other)

    def __rpow__(self, other: object) -> Series:
        return self._with(np.power, other, self)

    def __neg__(self) -> Series:
        return self._with(np.negative, self)

    def __abs__(self) -> Series:
        return self._with(np.absolute, self)

    def __lt__(self, other: object) -> Series:
        return self._asked(np.less, other)

    def __le__(self, other: object) -> Series:
        return self._asked(np.less_equal, other)

    def __gt__(self, other: object) -> Series:
        return self._asked(np.greater, other)

    def __ge__(self, other: object) -> Series:
        return self._asked(np.greater_equal, other)

    def __eq__(self, other: object) -> Series:  # type: ignore[override]  # as numpy does
        return self._asked(np.equal, other)

    def __ne__(self, other: object) -> Series:  # type: ignore[override]  # as numpy does
        return self._asked(np.not_equal, other)

    def __and__(self, other: object) -> Series:
        return self._asked(np.logical_and, other)

    def __or__(self, other: object) -> Series:
        return self._asked(np.logical_or, other)

    def __invert__(self) -> Series:
        return self.derive(np.logical_not(self.values))


class BarSeries:
    """An instrument's bars as series: `open high low close volume`, prices on today's scale.

    Prices before a split are divided by it as soon as it has happened, and not before: what a
    strategy sees on a day is what was known on that day.
    """

    __slots__ = ("_frame", "close", "high", "instrument", "low", "open", "volume")

    def __init__(self, instrument: Instrument, columns: dict[str, AnyArray], frame: Frame) -> None:
        """Present `columns` (open high low close volume) on the timeline of `frame`."""
        self.instrument = instrument
        self._frame = frame
        self.open, self.high = Series(columns["open"], frame), Series(columns["high"], frame)
        self.low, self.close = Series(columns["low"], frame), Series(columns["close"], frame)
        self.volume = Series(columns["volume"], frame)

    def __repr__(self) -> str:
        """Say whose bars these are, and how many."""
        return f"<BarSeries of {self.instrument.id}: {len(self)} bars>"

    @property
    def closed_at(self) -> AnyArray:
        """When each of these bars closed, as numpy datetime64[ns] in UTC."""
        return np.asarray(self.close.times).view("datetime64[ns]")

    def __len__(self) -> int:
        """Return the number of bars: in `setup` of the whole history, afterwards of completed ones."""
        return len(self.close)

    @property
    def count(self) -> int:
        """How many bars have completed by now."""
        return self._frame.cursor.index + 1
