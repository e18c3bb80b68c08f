"""Variables that held a secret: read once, and no longer there for others to read.

Taking a variable out of `os.environ` leaves the block that the system handed to this process, and
`/proc/<pid>/environ` shows that to everybody of the same user. So its bytes are blanked, too.
"""

from __future__ import annotations

import os
from pathlib import Path

VAULT_PASSPHRASE = "EVENKEEL_VAULT_PASSPHRASE"  # noqa: S105 - what it is called, not it
"""The variable that may hold the vault's passphrase."""

_BLANK = ord("*")

_withdrawn: dict[str, str] = {}


def withdraw(name: str) -> None:
    """Take a variable away from the processes that we start, and from what `/proc` shows of us.

    It is there for who takes it later. A command does so at its beginning, whether or not it is
    going to need it.
    """
    value = os.environ.get(name)
    if value is not None:
        _blank(name, value)
        os.environ.pop(name, None)
        _withdrawn[name] = value


def is_there(name: str) -> bool:
    """Return whether there is a value to take."""
    return name in _withdrawn or name in os.environ


def take(name: str) -> str | None:
    """Return a variable's value, None when there is none, and leave it nowhere."""
    withdraw(name)
    return _withdrawn.pop(name, None)


def keep_from_proc(name: str) -> None:
    """Keep a variable for us and for the processes that we start, and blank what `/proc` shows."""
    value = os.environ[name]
    block = _address(name)
    os.environ[name] = value  # a copy on the heap takes its place
    if block is not None and block != _address(name, anywhere=True):
        _set(block, len(os.fsencode(value)))


def _blank(name: str, value: str) -> None:
    block = _address(name)
    if block is not None:
        _set(block, len(os.fsencode(value)))


def _set(address: int, length: int) -> None:
    import ctypes

    ctypes.memset(address, _BLANK, length)


def _address(name: str, *, anywhere: bool = False) -> int | None:
    """Return where a variable's value lies in the block that the process began with, or None."""
    first, last = _block()
    if first == last and not anywhere:
        return None
    import ctypes

    find = ctypes.CDLL(None).getenv
    find.restype = ctypes.c_void_p
    address: int | None = find(os.fsencode(name))
    if address is None or anywhere or first <= address < last:
        return address
    return None


def _block() -> tuple[int, int]:
    """Return the bounds of that block (fields 50 and 51 of `/proc/self/stat`), or nothing."""
    try:
        stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
    except OSError:  # no such file system, and nobody who could read there
        return 0, 0
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return int(fields[47]), int(fields[48])
