"""`evenkeel secrets`: what goes into the vault and out of it. Values come by prompt or stdin only."""

from __future__ import annotations

import sys
from pathlib import Path

from evenkeel.app.cli.shown import Answer, pairs
from evenkeel.app.vault import create_vault, new_key, open_vault
from evenkeel.domain.errors import OutsideError, UsageError
from evenkeel.ops.secret import Secret
from evenkeel.ops.settings import LAWS, Settings, load_settings
from evenkeel.ops.vault.vault import refuse_bad_name

VALUE_BYTES_MAX = 1 << 20


def init(key: str | None) -> Answer:
    """Make an empty vault."""
    settings = load_settings()
    vault = create_vault(settings, new_key(_where(key, settings)))
    facts = {"vault": str(vault.path), "key": vault.kind}
    lines = [f"A vault is at {vault.path}; its key comes from a {vault.kind}.", ""]
    return Answer(facts, [*lines, "Next: evenkeel secrets set NAME"])


def keep(name: str) -> Answer:
    """Keep what was typed or came in by stdin."""
    refuse_bad_name(name)  # before anybody has typed anything
    vault = open_vault(load_settings())
    there = name in vault
    vault.set(name, _value(name))
    done = "replaced" if there else "kept"
    return Answer({"name": name, "done": done}, [f"{name} is {done}."])


def names() -> Answer:
    """Return the names of what is kept."""
    vault = open_vault(load_settings())
    found = vault.names()
    lines = [*(f"  {name}" for name in found), "", f"{len(found)} in {vault.path}."]
    return Answer({"vault": str(vault.path), "names": list(found)}, lines)


def tell(name: str) -> Answer:
    """Return a secret, in clear."""
    text = open_vault(load_settings()).get(name).reveal()
    return Answer({"name": name, "value": text}, [text])


def forget(name: str) -> Answer:
    """Remove a secret."""
    open_vault(load_settings()).remove(name)
    return Answer({"name": name, "done": "removed"}, [f"{name} is removed."])


def rotate(key: str | None, *, reencrypt: bool) -> Answer:
    """Put everything under a new key."""
    settings = load_settings()
    where = _where(key, settings)
    vault = open_vault(settings)
    vault.rotate(new_key(where), reencrypt=reencrypt)
    facts = {"vault": str(vault.path), "key": vault.kind, "secrets": len(vault.names())}
    lines = pairs([("vault", vault.path), ("key", vault.kind), ("secrets", len(vault.names()))])
    return Answer(facts, ["All under a new key.", *lines])


def take_in(file: str, *, replace: bool) -> Answer:
    """Keep every line of a file; `UsageError` when a name is there already or a line is none."""
    found = _lines(file)
    vault = open_vault(load_settings())
    there = [name for name in found if name in vault]
    if there and not replace:
        raise UsageError(
            f"{', '.join(there)} {'are' if len(there) > 1 else 'is'} in the vault already; "
            "say --replace to put the file's in their place"
        )
    vault.update(found)
    lines = [*(f"  {name}" for name in found), "", f"{len(found)} kept in {vault.path}."]
    advice = [] if file == "-" else [f"Now remove {file}: it still holds them in clear."]
    return Answer({"vault": str(vault.path), "names": list(found)}, [*lines, *advice])


def _where(key: str | None, settings: Settings) -> str:
    """Return where a new key comes from, held to the law of the setting that says it else."""
    law, fits = LAWS["vault.unlock"]
    if key is not None and not fits(key):
        raise UsageError(f"--key must be {law}, was {key!r}")
    return key or settings.vault.unlock


def _value(name: str) -> Secret:
    """Return what is typed without being shown, or all of stdin without its last end of line."""
    if sys.stdin.isatty():
        import getpass

        text = getpass.getpass(f"{name}: ")
    else:
        text = _decoded(sys.stdin.buffer.read(VALUE_BYTES_MAX + 1), "stdin").removesuffix("\n")
        text = text.removesuffix("\r")
    if not text:
        raise UsageError(f"there is nothing to keep as {name}: type it, or pipe it in")
    return Secret(text)


def _lines(file: str) -> dict[str, Secret]:
    """Read NAME=VALUE lines; `#` begins a comment line, quotes around a value are left out."""
    found: dict[str, Secret] = {}
    for number, line in enumerate(_content(file).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or not value.strip():
            raise UsageError(f"{file}:{number}: a line must be NAME=VALUE")  # not what it holds
        if name.strip() in found:
            raise UsageError(f"{file}:{number}: {name.strip()} is there twice")
        found[name.strip()] = Secret(_unquoted(value.strip()))
    if not found:
        raise UsageError(f"{file} has no NAME=VALUE line")
    return found


def _content(file: str) -> str:
    if file == "-":
        return _decoded(sys.stdin.buffer.read(VALUE_BYTES_MAX + 1), "stdin")
    try:
        with Path(file).open("rb") as opened:
            return _decoded(opened.read(VALUE_BYTES_MAX + 1), file)
    except OSError as error:
        raise OutsideError(f"cannot read {file}: {error.strerror}") from error


def _decoded(content: bytes, where: str) -> str:
    if len(content) > VALUE_BYTES_MAX:
        raise UsageError(f"{where} holds more than a MiB; a secret is shorter")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{where} is not UTF-8 text; encode it, in base64 for example") from None


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value
