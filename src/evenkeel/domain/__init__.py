"""The nouns. Frozen; they import the standard library and msgspec; every other room imports these and none of each other."""

import sys

if not {"msgspec", "typing_extensions"} & sys.modules.keys():  # pragma: no cover - pytest has both
    # msgspec would load that package, a tenth of all that a backtest loads, for names that `typing`
    # has since Python 3.11. While it loads, the package looks as if it were not installed.
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]
