"""`evenkeel secrets …`: every command by its name, arguments and help."""

# ruff: noqa: D301  a line of \b alone tells click to leave the lines below it as they stand

from typing import Annotated

import typer

from evenkeel.app.cli.options import AsJson
from evenkeel.app.cli.shown import show

secrets_app = typer.Typer(
    help="Keep keys and passwords in the vault, encrypted.", rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Such as alpha_vantage.key.")]
KeyFrom = Annotated[
    str | None,
    typer.Option(
        "--key", metavar="WHERE", help="prompt, keyring, env, fd:N or file:PATH; else vault.unlock."
    ),
]


@secrets_app.command("init")
def init(*, key: KeyFrom = None, as_json: AsJson = False) -> int:
    """Make an empty vault.

    Its key is made of a passphrase, or kept by the system's keyring.

    \b
    Examples:
      evenkeel secrets init
      evenkeel secrets init --key keyring
    """
    from evenkeel.app.cli.secrets_kept import init as work

    return show(work(key), as_json=as_json)


@secrets_app.command("set")
def set_secret(name: Name, *, as_json: AsJson = False) -> int:
    """Keep a secret. It is typed, or comes in by stdin; never on the command line.

    \b
    Examples:
      evenkeel secrets set alpha_vantage.key
      pass show alpha-vantage | evenkeel secrets set alpha_vantage.key
    """
    from evenkeel.app.cli.secrets_kept import keep

    return show(keep(name), as_json=as_json)


@secrets_app.command("list")
def list_secrets(*, as_json: AsJson = False) -> int:
    """Show the names of what is kept.

    \b
    Example:
      evenkeel secrets list
    """
    from evenkeel.app.cli.secrets_kept import names

    return show(names(), as_json=as_json)


@secrets_app.command("get")
def get(name: Name, *, as_json: AsJson = False) -> int:
    """Print a secret. That you asked for it is written down.

    \b
    Example:
      evenkeel secrets get alpha_vantage.key
    """
    from evenkeel.app.cli.secrets_kept import tell

    return show(tell(name), as_json=as_json)


@secrets_app.command("rm")
def remove(name: Name, *, as_json: AsJson = False) -> int:
    """Forget a secret.

    \b
    Example:
      evenkeel secrets rm alpha_vantage.key
    """
    from evenkeel.app.cli.secrets_kept import forget

    return show(forget(name), as_json=as_json)


@secrets_app.command("rotate")
def rotate(
    *,
    key: KeyFrom = None,
    reencrypt: Annotated[
        bool,
        typer.Option("--reencrypt", help="Also make new keys for each secret and each column."),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Put all secrets under a new key; the old one opens nothing after that.

    A crash at any moment leaves the vault under the old key or under the new one.

    \b
    Examples:
      evenkeel secrets rotate
      evenkeel secrets rotate --key keyring --reencrypt
    """
    from evenkeel.app.cli.secrets_kept import rotate as work

    return show(work(key, reencrypt=reencrypt), as_json=as_json)


@secrets_app.command("import")
def import_secrets(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Lines of NAME=VALUE; - is stdin.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put them in place of those of the same name.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Keep every secret of a file of NAME=VALUE lines, all of them or none.

    \b
    Example:
      evenkeel secrets import .env
    """
    from evenkeel.app.cli.secrets_kept import take_in

    return show(take_in(file, replace=replace), as_json=as_json)
