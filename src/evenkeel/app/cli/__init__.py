"""The command line. One sentence for every error, one object for `--json`, five exit codes.

    0 done   1 the answer is no   2 wrong usage or configuration   3 the outside failed   4 halted

Beside these: 130 after Ctrl-C, and 70 for a fault of Evenkeel itself (with its traceback).
Nothing heavy is imported before the command that needs it runs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from evenkeel.domain.errors import EvenkeelError, StrategyError
from evenkeel.ops.environment import VAULT_PASSPHRASE, withdraw

if TYPE_CHECKING:
    from collections.abc import Sequence

OUR_FAULT = 70
"""sysexits.h calls it EX_SOFTWARE: no script should take it for an answer."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what went wrong is said, never thrown."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    withdraw(VAULT_PASSPHRASE)
    try:
        return _run(given)
    except StrategyError as error:
        from evenkeel.app.cli.blame import refusal

        return _fail(given, refusal(error), error.exit_code)
    except EvenkeelError as error:
        return _fail(given, str(error), error.exit_code)
    except KeyboardInterrupt:
        from evenkeel.app.cli.shown import INTERRUPTED

        return _fail(given, "interrupted; nothing more was done", INTERRUPTED)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a strategy may raise anything
        return _unexpected(given, error)


def _unexpected(given: list[str], error: Exception | SystemExit) -> int:
    from evenkeel.app.cli.blame import user_fault  # only who fails reads tracebacks

    if (sentence := user_fault(error)) is not None:
        return _fail(given, sentence, 2)
    if isinstance(error, OSError):
        return _fail(given, f"the system refused: {error}", 3)
    import traceback

    from evenkeel.ops.redact import redacted_text  # a message may quote what it choked on

    print(redacted_text("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    what = f"{type(error).__name__}: {error}"
    return _fail(given, f"this is a fault of Evenkeel, please report it ({what})", OUR_FAULT)


def _run(given: list[str]) -> int:
    from evenkeel.app.cli.commands import run

    return run(given)


def _fail(given: list[str], sentence: str, exit_code: int) -> int:
    from evenkeel.app.cli.shown import print_error
    from evenkeel.ops.redact import redacted_text

    print_error(redacted_text(sentence), exit_code, as_json="--json" in given)
    return exit_code
