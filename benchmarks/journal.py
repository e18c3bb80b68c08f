"""What writing it down costs: one record or a thousand at once, verified and replayed.

Held against what cannot be avoided: a bare fsync of as many bytes, and the bare `sqlite3` module
that inserts the same rows under the same promises (WAL, synchronous=FULL), or reads them back. What
these write was made beforehand; that we encode and chain each record is our cost.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import ExitStack, closing, contextmanager
from decimal import Decimal
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import psycopg

from benchmarks.timing import Row, race
from evenkeel.domain.events import OrderAccepted, RunStarted
from evenkeel.domain.fill import Fill
from evenkeel.domain.instrument import instrument_of
from evenkeel.domain.order import Order, OrderType, Side
from evenkeel.domain.verdict import Reason, Refused
from evenkeel.journal.chain import links
from evenkeel.journal.database import DatabaseJournal
from evenkeel.journal.replay import replay
from evenkeel.journal.verify import verify_database
from evenkeel.ledger.book import Book
from evenkeel.storage.engine import open_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evenkeel.domain.events import Record

ALONE = 200
MANY = 100_000
GROUP = 1_000

SERVER = os.environ.get("EVENKEEL_TEST_POSTGRES_URL") or "postgresql://postgres@127.0.0.1:5432/test"

A = "A.XNAS"
STARTED = RunStarted(
    at=1,
    strategy="bench",
    params={},
    instruments={A: {"currency": "USD", "lot": "1", "multiplier": "1"}},
    tape={A: "0" * 64},
    cash=Decimal(1_000_000),
    currency="USD",
    costs="zero",
    slippage="none",
    limits={},
)


def measure(size: float = 1.0) -> Iterator[Row]:
    """Write, verify and replay on SQLite, and on PostgreSQL where there is one."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = {"SQLite": f"sqlite:///{folder}/ours.db"}
        if (url := stack.enter_context(_schema())) is not None:
            urls["PostgreSQL"] = url
        writers = {name: stack.enter_context(_Writer(url)) for name, url in urls.items()}
        yield from _alone(folder, writers, max(int(ALONE * size), 2))
        yield from _grouped(folder, writers, max(int(MANY * size), 2 * GROUP))
        yield from _read(folder, writers)


def _alone(folder: Path, writers: dict[str, _Writer], records: int) -> Iterator[Row]:
    bare = _Bare(folder / "alone.db")
    rows = [*islice(_records(), records)]
    lines = [linked.line for linked in links(rows)]
    contestants: dict[str, Callable[[], object]] = {
        "fsync": lambda: _synced(folder / "lines", lines),
        "sqlite3": lambda: bare.write([[line] for line in lines]),
    }
    for name, writer in writers.items():
        contestants[name] = lambda writer=writer: writer.write([[row] for row in rows])
    laps = race(contestants)
    yield Row("one record with fsync, a bare file", _speed(records, laps.wall("fsync")))
    yield Row(
        "one record in a transaction, bare sqlite3",
        f"{laps.told('sqlite3', 'fsync')}, {_speed(records, laps.wall('sqlite3'))}",
    )
    for name in writers:
        told = f"{laps.told(name, 'fsync')}, {laps.told(name, 'sqlite3')}"
        speed = _speed(records, laps.wall(name))
        yield Row(f"durable append of one record, {name}", f"{told}, {speed}", "≥ 200 records/s")
    bare.close()


def _grouped(folder: Path, writers: dict[str, _Writer], records: int) -> Iterator[Row]:
    bare = _Bare(folder / "grouped.db")
    rows = [*islice(_records(), records)]
    groups = [rows[start : start + GROUP] for start in range(0, records, GROUP)]
    lines = [[linked.line for linked in links(group)] for group in groups]
    contestants: dict[str, Callable[[], object]] = {"sqlite3": lambda: bare.write(lines)}
    for name, writer in writers.items():
        contestants[name] = lambda writer=writer: writer.write(groups)
    laps = race(contestants)
    bare.close()
    yield Row(
        f"{GROUP:,} rows in a transaction, bare sqlite3", _speed(records, laps.wall("sqlite3"))
    )
    for name in writers:
        told, speed = laps.told(name, "sqlite3"), _speed(records, laps.wall(name))
        yield Row(
            f"durable append of {GROUP:,} records at once, {name}",
            f"{told}, {speed}",
            "≥ 50,000 records/s",
        )


def _read(folder: Path, writers: dict[str, _Writer]) -> Iterator[Row]:
    """Time what grows with the journal, and tell it for 100,000 records."""
    bare = _Bare(folder / "read.db")
    bare.write([[*next(iter(writers.values())).journal.lines()]])
    contestants: dict[str, Callable[[], object]] = {"sqlite3": bare.read}
    for name, writer in writers.items():
        contestants[f"verify {name}"] = writer.verify
        contestants[f"replay {name}"] = writer.replay
    laps = race(contestants)
    bare.close()
    for name, writer in writers.items():
        share = MANY / len(writer.journal)
        for what in ("verify", "replay"):
            seconds = laps.wall(f"{what} {name}") * share
            told = laps.told(f"{what} {name}", "sqlite3")
            yield Row(f"{what} 100,000 records, {name}", f"{told}, {seconds:.2f} s")


class _Writer:
    """A journal in one of our databases, which every round makes longer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = open_engine(url)
        self.journal = DatabaseJournal.begin(
            self.engine, "run", mode="paper", strategy="bench", manifest={}, created_at=1
        )
        self.journal.append([STARTED])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.close()
        self.engine.dispose()

    def write(self, groups: Sequence[Sequence[Record]]) -> None:
        for group in groups:
            self.journal.append(group)

    def verify(self) -> None:
        assert verify_database(self.url, "run").ok

    def replay(self) -> Book:
        return replay(self.journal.lines(), _book)


class _Bare:
    """The sqlite3 module and one table, under the promises that the journal makes."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("CREATE TABLE records (payload TEXT, hash TEXT)")

    def write(self, groups: Sequence[Sequence[bytes]]) -> None:
        """Insert lines, each group in a transaction."""
        for group in groups:
            rows = ((line[65:].decode(), line[:64].decode()) for line in group)
            self._database.executemany("INSERT INTO records VALUES (?, ?)", rows)
            self._database.commit()

    def read(self) -> int:
        """Read every row."""
        return sum(len(line) for line, _ in self._database.execute("SELECT * FROM records"))

    def close(self) -> None:
        self._database.close()


def _synced(path: Path, lines: Sequence[bytes]) -> None:
    with path.open("ab", buffering=0) as file:
        for line in lines:
            file.write(line)
            os.fsync(file.fileno())


def _records() -> Iterator[Record]:
    """Yield what a run writes most: a verdict, the venue's word, fills there and back."""
    for number in count(1):
        side = Side.BUY if number % 2 else Side.SELL
        order = Order(number, "bench", A, side, Decimal(10), OrderType.MARKET, number)
        yield Refused(order, number, Reason.ORDER_NOTIONAL, Decimal(1_000), Decimal("1023.7"))
        yield OrderAccepted(number, number)
        price = Decimal(100 + number % 7)
        yield Fill(
            f"{os.urandom(4).hex()}-{number}", number, A, side, Decimal(10), price, "USD", number
        )


def _book(started: RunStarted) -> Book:
    instruments = {name: instrument_of(name, said) for name, said in started.instruments.items()}
    return Book(started.cash, started.currency, instruments)


def _speed(records: int, seconds: float) -> str:
    return f"{records / seconds:,.0f} records/s"


@contextmanager
def _schema() -> Iterator[str | None]:
    """Lend the URL of a schema of our own; None where there is no server."""
    try:
        server = psycopg.connect(SERVER, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        yield None
        return
    name = f"ek_bench_{os.getpid()}"
    with closing(server):
        server.execute(f"CREATE SCHEMA {name}")
        try:
            joint = "&" if "?" in SERVER else "?"
            yield f"{SERVER}{joint}options={quote(f'-csearch_path={name}')}"
        finally:
            server.execute(f"DROP SCHEMA {name} CASCADE")
