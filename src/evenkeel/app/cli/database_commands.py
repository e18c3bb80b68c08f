"""`evenkeel db …`: every command by its name, arguments and help."""

# ruff: noqa: D301  a line of \b alone tells click to leave the lines below it as they stand

from typing import Annotated

import typer

from evenkeel.app.cli.options import AsJson
from evenkeel.app.cli.shown import show

db_app = typer.Typer(help="Look after the database of journals.", rich_markup_mode=None)

Url = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="Another than paths.database."),
]


@db_app.command("upgrade")
def upgrade(
    *,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="VERSION", help="Up or down to this one; else the newest."),
    ] = None,
    backups: Annotated[
        str, typer.Option("--backups", metavar="DIR", help="Where the backup goes.")
    ] = ".",
    database: Url = None,
    as_json: AsJson = False,
) -> int:
    """Bring the database to the version that this Evenkeel needs.

    A backup is written first. All of it is done, or nothing.

    \b
    Examples:
      evenkeel db upgrade
      evenkeel db upgrade --to 0001 --backups /var/backups
    """
    from evenkeel.app.cli.database_kept import upgrade_answer

    return show(upgrade_answer(database, to, backups), as_json=as_json)


@db_app.command("check")
def check(*, database: Url = None, as_json: AsJson = False) -> int:
    """Say whether the database can be used, and whether its tables agree with its journals.

    Changes nothing. Exit code 1 when something is to be done.

    \b
    Example:
      evenkeel db check --json
    """
    from evenkeel.app.cli.database_kept import check_answer

    return show(check_answer(database), as_json=as_json)


@db_app.command("backup")
def backup(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="Else a name with the time, in this folder."),
    ] = None,
    *,
    database: Url = None,
    as_json: AsJson = False,
) -> int:
    """Write everything that the database holds into one file, as of one moment.

    Bots may go on meanwhile. Either database can be made of it again.

    \b
    Example:
      evenkeel db backup /var/backups/evenkeel.backup.gz
    """
    from evenkeel.app.cli.database_kept import backup_answer

    return show(backup_answer(database, file), as_json=as_json)


@db_app.command("restore")
def restore(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A backup.")],
    *,
    database: Annotated[
        str | None,
        typer.Option("--database", metavar="URL", help="An empty one; else paths.database."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Make an empty database of a backup, and verify its journals.

    The backup may come from SQLite or PostgreSQL, whichever the new one is. Exit code 1 when a
    journal in it is not sound.

    \b
    Example:
      evenkeel db restore evenkeel.backup.gz --database sqlite:///again.db
    """
    from evenkeel.app.cli.database_kept import restore_answer

    return show(restore_answer(database, file), as_json=as_json)


@db_app.command("rebuild")
def rebuild(*, database: Url = None, as_json: AsJson = False) -> int:
    """Make every table again that follows from the journals: orders, positions, alerts and more.

    Exit code 1 when they held something that the journals do not say.

    \b
    Example:
      evenkeel db rebuild
    """
    from evenkeel.app.cli.database_kept import rebuild_answer

    return show(rebuild_answer(database), as_json=as_json)


@db_app.command("grants")
def grants(
    *,
    role: Annotated[str, typer.Option("--role", metavar="NAME", help="Who the bots come in as.")],
    yes: Annotated[bool, typer.Option("--yes", help="Carry it out; else it is printed.")] = False,
    database: Url = None,
    as_json: AsJson = False,
) -> int:
    """Let a PostgreSQL role add to the journals and read them, and take every other right from it.

    Ask it as the owner of the tables, with his URL. The role can then run bots on paper and use
    the vault; it cannot change or remove a record, purge, upgrade or restore.

    \b
    Examples:
      evenkeel db grants --role trader --database postgresql://owner@db.example/evenkeel
      evenkeel db grants --role trader --database postgresql://owner@db.example/evenkeel --yes
    """
    from evenkeel.app.cli.database_kept import grants_answer

    return show(grants_answer(database, role, yes=yes), as_json=as_json)
