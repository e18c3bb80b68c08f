"""Column types: an amount keeps every digit, and what is secret never lies in the database in clear."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import LargeBinary, Numeric, Text
from sqlalchemy.types import TypeDecorator

from evenkeel.domain.errors import ConfigError
from evenkeel.domain.money import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine


class Amount(TypeDecorator[Decimal]):
    """An exact decimal: NUMERIC without bounds in PostgreSQL, its canonical text in SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind = Numeric() if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:  # noqa: ANN401
        if value is None or dialect.name == "postgresql":
            return value
        return text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ANN401
        return None if value is None else Decimal(text(Decimal(value)))


class Cipher(Protocol):
    """What the vault lends: it encrypts a value for one place and opens it at no other."""

    def encrypt(self, plaintext: bytes, *, bound_to: bytes) -> bytes:
        """Return a ciphertext that opens only where `bound_to` is said again."""
        ...

    def decrypt(self, ciphertext: bytes, *, bound_to: bytes) -> bytes:
        """Undo `encrypt`; an error of one sentence when it does not open."""
        ...


_cipher: ContextVar[Cipher | None] = ContextVar("cipher", default=None)


@contextmanager
def unlocked(cipher: Cipher) -> Iterator[None]:
    """Let encrypted columns be read and written with `cipher`, inside this block alone."""
    before = _cipher.set(cipher)
    try:
        yield
    finally:
        _cipher.reset(before)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A text that was encrypted for one row of one column, and opens at no other place."""

    ciphertext: bytes = field(repr=False)


class Encrypted(TypeDecorator[Sealed]):
    """A column of what `seal` made: account numbers, tokens, second factors.

        number = ACCOUNT_NUMBER.seal("DU1234567", row="paper")     # goes into the row `paper`
        ACCOUNT_NUMBER.open(found.number, row=found.name)

    The ciphertext is bound to the column (`place`, such as `broker_accounts.number`) and to the
    primary key of its row: what was moved to another one does not open. The key is said by who
    writes and who reads, because a column's type sees values and not rows (decision 0031).
    Outside of `unlocked` nothing is sealed or opened.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def seal(self, text: str, *, row: str) -> Sealed:
        """Return `text` encrypted for the row of that key; `ConfigError` outside of `unlocked`."""
        return Sealed(self._cipher().encrypt(text.encode(), bound_to=self._bound_to(row)))

    def open(self, sealed: Sealed, *, row: str) -> str:
        """Return what was sealed for the row of that key; the cipher's error when it was not."""
        return self._cipher().decrypt(sealed.ciphertext, bound_to=self._bound_to(row)).decode()

    def process_bind_param(self, value: Sealed | None, dialect: Dialect) -> bytes | None:
        return None if value is None else value.ciphertext

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Sealed | None:
        return None if value is None else Sealed(bytes(value))

    def _bound_to(self, row: str) -> bytes:
        from evenkeel.ops.vault.envelope import joined  # brings cryptography in

        return joined(self.place.encode(), row.encode())

    def _cipher(self) -> Cipher:
        cipher = _cipher.get()
        if cipher is None:
            raise ConfigError(f"{self.place} is encrypted: unlock the vault to read or write it")
        return cipher
