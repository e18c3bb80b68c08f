"""The second net: what should never have been in a log or a message is taken out of it again.

Known values (every `Secret` of this process, also quoted for addresses and in base64), what stands
under a telling name, and passwords in addresses become `***`. The first net is the `Secret` type.
"""

from __future__ import annotations

import base64
import json
import re
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from evenkeel.ops.secret import values_in_use

HIDDEN = "***"

LENGTH_MIN = 6
"""A value shorter than this is found in too many words to be taken out of text."""

_NAMES = (
    r"pass(?:word|phrase|wd)?|pwd|secret|token|(?:api|private|access|signing|encryption)[_-]?key|"
    r"apikey|auth(?:orization)?|credentials?|cookie|account[_-]?(?:number|no)"
)
_TELLING = re.compile(rf"(?i)(?:^|[_.\-\s])(?:{_NAMES})s?$")
_IN_ADDRESS = re.compile(r"(?<=://)([^/@:\s]*):[^@\s/]*(?=@)")
_IN_QUERY = re.compile(rf"(?i)([?&;](?:[\w.-]*[_.-])?(?:{_NAMES}|key|signature|sig)=)[^&;\s\"'#]*")
_IN_HEADER = re.compile(r"(?i)(authorization\W{1,4}(?:bearer|basic)\s+)[^\s\"']+")


def redacted_text(text: str) -> str:
    """Return the text without any known secret, password of an address, key of a query."""
    text = _IN_ADDRESS.sub(rf"\1:{HIDDEN}", text)
    text = _IN_QUERY.sub(rf"\1{HIDDEN}", text)
    text = _IN_HEADER.sub(rf"\1{HIDDEN}", text)
    known = _known(values_in_use())
    return text if known is None else known.sub(HIDDEN, text)


def redacted(value: Any, name: str = "") -> Any:  # noqa: ANN401 - whatever somebody logs
    """Return a value, and all that is in it, without what stands under a telling name."""
    if value is not None and _TELLING.search(name):
        return HIDDEN
    match value:
        case str():
            return redacted_text(value)
        case dict():
            return {key: redacted(each, str(key)) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [redacted(each) for each in value]
        case _:
            return value


def without_password(address: str) -> str:
    """Return an address such as postgresql://user:password@host/name with `***` as password."""
    return _IN_QUERY.sub(rf"\1{HIDDEN}", _IN_ADDRESS.sub(rf"\1:{HIDDEN}", address))


@lru_cache(maxsize=1)
def _known(values: frozenset[str]) -> re.Pattern[str] | None:
    """Return what finds every known value in every form, the longest first."""
    forms = {form for value in values if len(value) >= LENGTH_MIN for form in _forms(value)}
    if not forms:
        return None
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))


def _forms(value: str) -> set[str]:
    raw = value.encode()
    encoded = base64.b64encode(raw).decode().rstrip("=")
    return {
        value,
        quote(value, safe=""),
        quote_plus(value),
        json.dumps(value)[1:-1],
        repr(value)[1:-1],
        encoded,
        raw.hex(),
    }
