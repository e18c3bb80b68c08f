"""Column types: an amount keeps every digit, and what is secret never lies in the database in clear."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
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


class Encrypted(TypeDecorator[str]):
    """Text that is encrypted on its way in: account numbers, tokens, second factors.

    `place` (`accounts.number`) is bound into the ciphertext: what was written into one column
    does not open in another. Outside of `unlocked` it is neither read nor written.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        if value is None:
            return None
        return self._cipher().encrypt(value.encode(), bound_to=self.place.encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return self._cipher().decrypt(value, bound_to=self.place.encode()).decode()

    def _cipher(self) -> Cipher:
        cipher = _cipher.get()
        if cipher is None:
            raise ConfigError(f"{self.place} is encrypted: unlock the vault to read or write it")
        return cipher
