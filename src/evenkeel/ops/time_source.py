"""Does this computer's clock follow a time source? The kernel knows, and asking changes nothing."""

from __future__ import annotations

from msgspec import Struct

_UNSYNCHRONISED = 0x40  # STA_UNSYNC of <sys/timex.h>
_ERROR = 5  # TIME_ERROR of the same


class TimeSource(Struct, frozen=True):
    """What the kernel says: whether something keeps its clock right, and by how much it may err."""

    synchronised: bool
    error_seconds_max: float


def time_source() -> TimeSource | None:
    """Return what `adjtimex` says; None on a system without it, or where it may not be asked."""
    import ctypes

    class Timex(ctypes.Structure):
        _fields_ = (
            ("modes", ctypes.c_uint),  # 0: only asking
            ("offset", ctypes.c_long),
            ("frequency", ctypes.c_long),
            ("error_microseconds_max", ctypes.c_long),
            ("error_microseconds", ctypes.c_long),
            ("status", ctypes.c_int),
            ("rest", ctypes.c_char * 256),  # of no interest, and of different lengths
        )

    ask = getattr(ctypes.CDLL(None), "adjtimex", None)
    if ask is None:
        return None
    told = Timex()
    state = ask(ctypes.byref(told))
    if state < 0:
        return None
    lost = state == _ERROR or bool(told.status & _UNSYNCHRONISED)
    return TimeSource(not lost, told.error_microseconds_max / 1e6)
