"""`evenkeel secrets`: values come in by prompt or stdin, go out when they are asked for, and rest."""

import getpass
import io
import json
import os
import sys
from pathlib import Path

import pytest
from tests.ops.vault.kept import CHEAP, MemoryKeyring

from evenkeel.app import vault as room
from evenkeel.app.cli import main
from evenkeel.ops.vault.keys import KeyringKey
from evenkeel.ops.vault.unlock import key_source

CANARY = "canary-2c41-value"
PASSPHRASE = "correct horse battery"


class Stdin(io.TextIOWrapper):
    """What is piped into a command, or a terminal."""

    def __init__(self, content, *, terminal=False):
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self._terminal = terminal

    def isatty(self):
        return self._terminal


def write_private(name, text):
    Path(name).write_text(text)
    Path(name).chmod(0o600)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder whose vault opens with a passphrase in a file, at little cost; nobody to ask."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(key_source.__kwdefaults__, "costs", CHEAP)
    monkeypatch.setattr(room, "_asked", lambda *prompts: None)
    write_private("pass", PASSPHRASE)
    Path("evenkeel.toml").write_text('[vault]\nunlock = "file:pass"\n')


@pytest.fixture
def ask(capsys, monkeypatch):
    """Run a command; return its exit code, the object it printed and what it complained of."""

    def run(*words, stdin=b"", terminal=False):
        monkeypatch.setattr(sys, "stdin", Stdin(stdin, terminal=terminal))
        code = main([*words, "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out), said.err

    return run


@pytest.fixture
def made(ask):
    assert ask("secrets", "init")[0] == 0
    assert ask("secrets", "set", "broker.password", stdin=f"{CANARY}\n".encode())[0] == 0


def test_a_vault_is_made_once(ask):
    code, body, _ = ask("secrets", "init")
    assert (code, body) == (0, {"vault": "secrets.vault", "key": "passphrase"})
    assert Path("secrets.vault").stat().st_mode & 0o777 == 0o600
    code, body, err = ask("secrets", "init")
    assert code == 2
    assert "already; move it away" in err == f"error: {body['error']}\n"


def test_without_a_vault_the_next_step_is_said(ask):
    code, _, err = ask("secrets", "list")
    assert code == 2
    assert "make one with `evenkeel secrets init`" in err


def test_what_is_piped_in_comes_out_again(ask, made):
    assert ask("secrets", "get", "broker.password")[1] == {
        "name": "broker.password",
        "value": CANARY,
    }
    assert ask("secrets", "list")[1]["names"] == ["broker.password"]
    assert ask("secrets", "set", "broker.password", stdin=b"other")[1]["done"] == "replaced"
    assert ask("secrets", "rm", "broker.password")[1]["done"] == "removed"
    assert ask("secrets", "list")[1]["names"] == []


def test_people_read_lines(made, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stdin(b"other"))
    for words in (["list"], ["get", "broker.password"], ["set", "x"], ["rm", "x"]):
        assert main(["secrets", *words]) == 0
    assert capsys.readouterr().out == (
        f"  broker.password\n\n1 in secrets.vault.\n{CANARY}\nx is kept.\nx is removed.\n"
    )


def test_a_value_that_is_typed_is_not_shown(ask, made, monkeypatch):
    monkeypatch.setattr(getpass, "getpass", lambda prompt: f"typed at {prompt}")
    assert ask("secrets", "set", "x", terminal=True)[0] == 0
    assert ask("secrets", "get", "x")[1]["value"] == "typed at x: "


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (b"", "there is nothing to keep as x: type it, or pipe it in"),
        (b"\r\n", "there is nothing to keep as x"),
        (b"\xff\xfe", "stdin is not UTF-8 text; encode it"),
        (b"x" * (1 << 20) + b"x", "stdin holds more than a MiB"),
    ],
)
def test_what_is_no_secret_is_refused(ask, made, stdin, said):
    code, _, err = ask("secrets", "set", "x", stdin=stdin)
    assert code == 2
    assert said in err


def test_a_value_has_no_place_on_the_command_line(ask, made):
    code, _, err = ask("secrets", "set", "x", CANARY)
    assert code == 2
    assert "evenkeel secrets set --help" in err
    assert ask("secrets", "list")[1]["names"] == ["broker.password"]


def test_a_name_that_is_not_there_is_said(ask, made):
    code, _, err = ask("secrets", "get", "broker.pasword")
    assert code == 2
    assert "did you mean 'broker.password'?" in err


def test_a_name_that_is_none_is_refused_before_anybody_types(ask, made, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda prompt: pytest.fail("asked"))
    code, _, err = ask("secrets", "set", "broker password", terminal=True)
    assert code == 2
    assert "a secret's name is up to 64 letters" in err


# ---- the key ----


@pytest.mark.parametrize("words", ["wallet", "fd:x", "file:", "keyring:mine", ""])
@pytest.mark.parametrize("command", ["init", "rotate"])
def test_where_a_key_cannot_come_from_is_refused(ask, made, command, words):
    code, _, err = ask("secrets", command, "--key", words)
    told = f"error: --key must be auto, prompt, keyring, env, fd:N or file:PATH, was {words!r}\n"
    assert (code, err) == (2, told)


def test_a_wrong_passphrase_is_one_sentence(ask, made):
    write_private("pass", "quite another one")
    code, _, err = ask("secrets", "get", "broker.password")
    assert (code, err) == (
        2,
        "error: the vault does not open: the key is wrong, or its file was changed\n",
    )


def test_a_rotation_puts_all_under_a_new_key(ask, made):
    write_private("new", "a new passphrase")
    code, body, _ = ask("secrets", "rotate", "--key", "file:new", "--reencrypt")
    assert (code, body["secrets"]) == (0, 1)
    assert ask("secrets", "list")[0] == 2
    Path("new").replace("pass")
    assert ask("secrets", "get", "broker.password")[1]["value"] == CANARY


def test_a_vault_moves_into_the_keyring_and_opens_from_there(ask, made, monkeypatch):
    monkeypatch.setattr(KeyringKey.__init__, "__defaults__", (MemoryKeyring(),))
    assert ask("secrets", "rotate", "--key", "keyring")[1]["key"] == "keyring"
    Path("evenkeel.toml").unlink()
    assert ask("secrets", "get", "broker.password")[1]["value"] == CANARY


def test_a_variable_opens_the_vault_once(ask, made, monkeypatch):
    Path("evenkeel.toml").unlink()
    monkeypatch.setenv("EVENKEEL_VAULT_PASSPHRASE", PASSPHRASE)
    assert ask("secrets", "list")[0] == 0
    assert "EVENKEEL_VAULT_PASSPHRASE" not in os.environ
    code, _, err = ask("secrets", "list")
    assert code == 2
    assert "nobody to ask; set vault.unlock to" in err


@pytest.fixture
def person(monkeypatch, tmp_path):
    """Somebody at the terminal, who types these answers."""
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(key_source.__kwdefaults__, "costs", CHEAP)
    Path("evenkeel.toml").unlink()
    real = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, *a, **k: io.BytesIO() if str(path) == "/dev/tty" else real(path, *a, **k),
    )
    answers = []
    monkeypatch.setattr(getpass, "getpass", lambda prompt: answers.pop(0))
    return answers


def test_a_person_says_a_new_passphrase_twice_and_an_old_one_once(person, ask):
    person[:] = [PASSPHRASE, "something else"]
    code, _, err = ask("secrets", "init")
    assert code == 2
    assert "are not the same; nothing was changed" in err
    person[:] = [PASSPHRASE, PASSPHRASE]
    assert ask("secrets", "init")[0] == 0
    person[:] = [PASSPHRASE]
    assert ask("secrets", "list")[0] == 0
    assert person == []


def test_without_a_terminal_there_is_nobody_to_ask(monkeypatch):
    monkeypatch.undo()

    def none(*_, **__):
        raise OSError(6, "No such device or address")

    monkeypatch.setattr(Path, "open", none)
    assert room._asked("?") is None


@pytest.mark.parametrize("error", [KeyError("uid"), OSError("no name")])
def test_a_user_without_a_name_is_unknown(monkeypatch, error):
    def nameless():
        raise error

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert room.actor() == "unknown"


# ---- import ----

ENV = f"""
# keys of last year
export ALPHA_VANTAGE_KEY='{CANARY}'
BROKER_PASSWORD = "with = and 'quotes'"

PLAIN=plain text
"""


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_a_file_of_lines_is_taken_in(ask, made, source):
    Path(".env").write_text(ENV)
    name = ".env" if source == "file" else "-"
    code, body, _ = ask("secrets", "import", name, stdin=ENV.encode())
    assert (code, body["names"]) == (0, ["ALPHA_VANTAGE_KEY", "BROKER_PASSWORD", "PLAIN"])
    values = [ask("secrets", "get", each)[1]["value"] for each in body["names"]]
    assert values == [CANARY, "with = and 'quotes'", "plain text"]


def test_after_an_import_the_file_is_still_there_and_that_is_said(made, capsys):
    Path(".env").write_text(ENV)
    assert main(["secrets", "import", ".env"]) == 0
    assert "Now remove .env: it still holds them in clear." in capsys.readouterr().out
    assert main(["secrets", "rotate"]) == 0


def test_an_import_replaces_only_when_told(ask, made):
    Path("x").write_text("broker.password=new\nother=x\n")
    code, _, err = ask("secrets", "import", "x")
    assert code == 2
    assert "broker.password is in the vault already; say --replace" in err
    assert ask("secrets", "list")[1]["names"] == ["broker.password"], "all of them or none"
    assert ask("secrets", "import", "x", "--replace")[0] == 0
    assert ask("secrets", "get", "broker.password")[1]["value"] == "new"


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (f"fine=x\n{CANARY}\n", 2, "x:2: a line must be NAME=VALUE"),
        ("empty=\n", 2, "x:1: a line must be NAME=VALUE"),
        ("a=1\na=2\n", 2, "x:2: a is there twice"),
        ("# nothing\n", 2, "x has no NAME=VALUE line"),
        ("a b=1\n", 2, "a secret's name is up to 64 letters"),
        (None, 3, "cannot read x: No such file"),
    ],
)
def test_a_file_that_is_wrong_is_refused_whole_and_not_quoted(ask, made, content, code, said):
    if content is not None:
        Path("x").write_text(content)
    found, _, err = ask("secrets", "import", "x")
    assert found == code
    assert said in err
    assert CANARY not in err
    assert ask("secrets", "list")[1]["names"] == ["broker.password"]
