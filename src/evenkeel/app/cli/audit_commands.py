"""`evenkeel audit …`: every command by its name, arguments and help."""

# ruff: noqa: D301  a line of \b alone tells click to leave the lines below it as they stand

from typing import Annotated

import typer

from evenkeel.app.cli.options import AsJson
from evenkeel.app.cli.shown import show

audit_app = typer.Typer(help="Trust the journals.", rich_markup_mode=None)

RunOf = Annotated[str | None, typer.Option("--run", metavar="RUN", help="Which run of a database.")]


@audit_app.command("verify")
def verify(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|PATH|URL]", help="A run, a journal file, an export or a database."
        ),
    ] = None,
    *,
    run: RunOf = None,
    checkpoints: Annotated[
        str | None,
        typer.Option("--checkpoints", metavar="FILE", help="Else audit.checkpoints."),
    ] = None,
    keys: Annotated[
        str | None,
        typer.Option("--keys", metavar="FILE|HEX", help="Public keys; else audit.public_keys."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check that no record of a journal was changed, added, removed or moved.

    Without a name: every run of this folder. With signed checkpoints a journal that was cut off,
    set back or written anew is found too. Exit code 1 when a record is bad; it is named.

    \b
    Examples:
      evenkeel audit verify
      evenkeel audit verify sqlite:///evenkeel.db --run demo-paper
      evenkeel audit verify export.jsonl --checkpoints /audit/checkpoints --keys /audit/keys
    """
    from evenkeel.app.cli.audited import answer

    return show(answer(target, run, checkpoints, keys), as_json=as_json)


@audit_app.command("export")
def export(
    target: Annotated[
        str, typer.Argument(metavar="RUN|PATH|URL", help="A run, a journal file or a database.")
    ],
    *,
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="Where it goes.")],
    run: RunOf = None,
    kind: Annotated[
        str | None,
        typer.Option("--format", metavar="jsonl|parquet", help="Else what FILE ends with."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Write a journal for others, and beside it a summary of what is in it.

    `evenkeel audit verify` reads it; so can anybody who has SHA-256.

    \b
    Examples:
      evenkeel audit export 20260102-143000-SmaCross --out run.jsonl
      evenkeel audit export sqlite:///evenkeel.db --run operations --out operators.parquet
    """
    from evenkeel.app.cli.exported import answer

    return show(answer(target, run, out, kind), as_json=as_json)


@audit_app.command("purge")
def purge(
    *,
    reason: Annotated[
        str, typer.Option("--reason", metavar="WORDS", help="Why; it goes on record.")
    ] = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; else only say what would be purged.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Purge the records of the database that are past their time.

    audit.orders_years and audit.years say how long records are kept. That they were purged is on
    record, and the journals still verify.

    \b
    Examples:
      evenkeel audit purge
      evenkeel audit purge --yes --reason "yearly purge"
    """
    from evenkeel.app.cli.purged import answer

    return show(answer(reason, yes=yes), as_json=as_json)


@audit_app.command("key")
def key(*, as_json: AsJson = False) -> int:
    """Show the public key that checkpoints are signed with, and keep it in audit.public_keys.

    The secret half stays in the vault; it is made at first use.

    \b
    Example:
      evenkeel audit key
    """
    from evenkeel.app.cli.witnessed import key_answer

    return show(key_answer(), as_json=as_json)


@audit_app.command("checkpoint")
def checkpoint(*, as_json: AsJson = False) -> int:
    """Sign a checkpoint of every journal of the database, as they are now.

    \b
    Example:
      evenkeel audit checkpoint
    """
    from evenkeel.app.cli.witnessed import checkpoint_answer

    return show(checkpoint_answer(), as_json=as_json)


@audit_app.command("trace")
def trace(
    order: Annotated[int, typer.Argument(metavar="ORDER", help="The number of an order.")],
    target: Annotated[
        str | None,
        typer.Argument(metavar="[RUN|PATH|URL]", help="Else the newest run of this folder."),
    ] = None,
    *,
    run: RunOf = None,
    as_json: AsJson = False,
) -> int:
    """Show every record that belongs to the decision behind an order, each with its cause.

    \b
    Example:
      evenkeel audit trace 7
    """
    from evenkeel.app.cli.traced import answer

    return show(answer(order, target, run), as_json=as_json)
