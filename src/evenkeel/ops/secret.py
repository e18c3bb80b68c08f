"""A secret is a value that nobody sees by accident: every way out but `reveal` is closed.

`repr` shows that there is one and no more, so that a traceback stays readable. Text, formatting,
pickle, copies, JSON and pydantic refuse: a token that turned into `Secret(***)` on its way to a
broker would be a fault that is hard to find.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

_revealable: set[str] = set()


class KeptInPlace:
    """What holds a key or a secret stays in its process: it is neither pickled nor copied."""

    __slots__ = ()

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        _refuse("pickled or copied")


class Secret(KeptInPlace):
    """Text that is not shown. Two secrets are equal when their texts are, compared in steady time."""

    __slots__ = ("__text",)
    __hash__ = None  # type: ignore[assignment] # a hash tells equal secrets from different ones

    def __init__(self, text: str) -> None:
        self.__text = text
        _revealable.add(text)

    def reveal(self) -> str:
        """Return the text, for the one call that needs it; keep it nowhere."""
        return self.__text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> NoReturn:  # noqa: PLE0307 - it returns nothing at all
        _refuse("turned into text")

    def __format__(self, _spec: str) -> NoReturn:
        _refuse("formatted")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__text.encode(), other.__text.encode())

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> CoreSchema:
        """Take text or a secret in; give nothing out."""
        from pydantic_core import core_schema

        def take(value: Any) -> Secret:  # noqa: ANN401 - whatever somebody configured
            if isinstance(value, Secret):
                return value
            if isinstance(value, str):
                return cls(value)
            raise ValueError("a secret must be text")

        return core_schema.no_info_plain_validator_function(
            take,
            serialization=core_schema.plain_serializer_function_ser_schema(_refuse_to_dump),
        )


def values_in_use() -> frozenset[str]:
    """Return the texts of all secrets of this process, for the redactor to look for."""
    return frozenset(_revealable)


def _refuse_to_dump(_secret: Secret) -> NoReturn:
    _refuse("dumped")


def _refuse(how: str) -> NoReturn:
    raise TypeError(f"a secret is not {how}; .reveal() gives its text to the call that needs it")
