"""What the ground costs: unlocking, encrypting, timing, and a log that is told to be quiet."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.timing import Row, race

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = 50_000
PASSPHRASE = "five words nobody put together"  # noqa: S105 - it keeps nothing


def measure(size: float = 1.0) -> Iterator[Row]:
    """Return ratios to the bare thing: Argon2id, AES-GCM, two readings of a clock, a level."""
    calls = max(100, int(CALLS * size))
    yield unlocking(size)
    yield encrypting(calls)
    yield timing(calls)
    yield keeping_quiet(calls)


def unlocking(size: float) -> Row:
    """Time the opening of a vault against its one derivation of a key."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    from evenkeel.ops.secret import Secret
    from evenkeel.ops.vault.keys import COSTS, Argon2Costs, PassphraseKey
    from evenkeel.ops.vault.vault import Vault

    costs = COSTS if size >= 1 else Argon2Costs(memory_kib=64, passes=1, lanes=1)
    source = PassphraseKey(Secret(PASSPHRASE), costs=costs)

    def bare() -> bytes:
        kdf = Argon2id(
            salt=os.urandom(16),
            length=32,
            iterations=costs.passes,
            lanes=costs.lanes,
            memory_cost=costs.memory_kib,
        )
        return kdf.derive(PASSPHRASE.encode())

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vault"
        made = Vault.create(path, source, audit=lambda _: None, actor="bench")
        made.update({f"secret-{number}": Secret("x" * 40) for number in range(100)})
        laps = race(
            {
                "Argon2id": bare,
                "unlock": lambda: Vault.open(path, source, audit=lambda _: None, actor="bench"),
            }
        )
    took = f"{laps.wall('unlock') * 1e3:.0f} ms"
    return Row("unlock a vault of 100 secrets", f"{took}, {laps.told('unlock', 'Argon2id')}")


def encrypting(calls: int) -> Row:
    """Time the encryption of column values against AES-256-GCM alone."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from evenkeel.ops.vault.cipher import Cipher

    key, value = bytes(32), b"DU1234567"
    cipher, bare = Cipher("accounts", {1: key}), AESGCM(key)
    laps = race(
        {
            "AES-GCM": lambda: [bare.encrypt(os.urandom(12), value, b"") for _ in range(calls)],
            "cipher": lambda: [cipher.encrypt(value, bound_to=b"") for _ in range(calls)],
        }
    )
    return Row(
        "encrypt a column's value",
        _each(laps.wall("cipher"), calls, laps.told("cipher", "AES-GCM")),
    )


def timing(calls: int) -> Row:
    """Time a timed block of nothing against two readings of the clock."""
    from evenkeel.ops.metrics import Metrics

    metrics = Metrics()

    def timed() -> None:
        for _ in range(calls):
            with metrics.timed("nothing", slow_seconds=1):
                pass

    def bare() -> None:
        for _ in range(calls):
            time.monotonic_ns()
            time.monotonic_ns()

    laps = race({"clock": bare, "timed": timed})
    return Row("time an operation", _each(laps.wall("timed"), calls, laps.told("timed", "clock")))


def keeping_quiet(calls: int) -> Row:
    """Time an event whose level is off against asking the standard logger for its level."""
    from evenkeel.ops.logging import log_of

    log, bare = log_of("bench"), logging.getLogger("evenkeel.bench")

    def quiet() -> None:
        for number in range(calls):
            log.debug("nothing", number=number)

    def asked() -> None:
        for _ in range(calls):
            bare.isEnabledFor(logging.DEBUG)

    laps = race({"level": asked, "quiet": quiet})
    return Row(
        "an event that nobody hears", _each(laps.wall("quiet"), calls, laps.told("quiet", "level"))
    )


def _each(seconds: float, calls: int, told: str) -> str:
    return f"{seconds / calls * 1e6:.2f} µs, {told}"
