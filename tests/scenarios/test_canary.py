"""Secrets are planted, everything is run, and every byte that is left behind is searched for them.

What may hold a planted value: the answer of `secrets get`, and the files that planted it. What may
not: the vault, databases and their write-ahead logs, journals, run folders, reports, tables,
exports, backups, the log, whatever a command prints or complains of, and the block of variables
that the system shows of a running process.
"""

import base64
import gzip
import math
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.databases import need_postgres, schema
from tests.ops.vault.kept import CHEAP

from evenkeel.app.cli import main
from evenkeel.ops.environment import VAULT_PASSPHRASE as VARIABLE
from evenkeel.ops.vault.unlock import key_source

PASSPHRASE = "canary one/passphrase?"
TYPED = "canary-two/typed+in"
IMPORTED = 'canary "three" & imported'
DATABASE = "canary4database"
MINE = "canary-five-strategy"
PLANTED = {"planted", "next"}  # the files that hold one on purpose
CANARIES = (PASSPHRASE, TYPED, IMPORTED, DATABASE, MINE)

STRATEGY = """
import evenkeel as ek
from pathlib import Path
from evenkeel.ops.secret import Secret

class Mine(ek.Strategy):
    fails: bool = ek.param(False)
    def on_start(self):
        self.seen = 0
        self.token = Secret(Path("planted").read_text())
    def on_bar(self):
        self.seen += 1
        if self.seen == 3:
            self.buy(10)
        if self.seen == 9 and self.fails:
            token = self.token.reveal()
            raise RuntimeError(f"cannot log in with {token}")
"""

BOT = """
[bot]
name = "mine"
mode = "paper"
[account]
cash = 100000
currency = "USD"
[strategy]
path = "mine.py:Mine"
[limits]
order_quantity_max = 100000
order_notional_max = 1000000
price_collar_max = 0.2
price_age_max_seconds = 864000
position_quantity_max = 100000
gross_exposure_max = 1000000
net_exposure_max = 1000000
concentration_max = 1
buying_power_multiple = 1
orders_per_second_max = 20
orders_per_day_max = 100
duplicate_window_seconds = 0
open_orders_max = 20
[data]
paths = ["WAVE.csv"]
instruments = ["WAVE"]
[execution]
costs = "ibkr-fixed"
slippage = "bps:1"
"""


def forms(text):
    """A value as it may turn up: as it is, quoted for an address or JSON, in base64, in hex."""
    raw = text.encode()
    as_is = {raw, quote(text).encode(), quote(text, safe="").encode(), raw.hex().encode()}
    return as_is | {
        text.replace('"', '\\"').encode(),
        text.encode("utf-16-le"),
        base64.b64encode(raw).rstrip(b"="),
    }


def content_of(path):
    """The bytes of a file, and of what is packed in it."""
    content = path.read_bytes()
    return content + gzip.decompress(content) if path.suffix == ".gz" else content


def planted_in(content):
    return [text for text in CANARIES if any(form in content for form in forms(text))]


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A folder with settings, data, a strategy and a bot; everything is left inside of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(key_source.__kwdefaults__, "costs", CHEAP)
    rows = ["date,open,high,low,close,volume"]
    for day in range(60):
        price = 100 + 20 * math.sin(day / 9)
        stamp = f"2020-{day // 28 + 1:02}-{day % 28 + 1:02}"
        rows.append(f"{stamp},{price:.2f},{price + 1:.2f},{price - 1:.2f},{price:.2f},1000000")
    Path("WAVE.csv").write_text("\n".join(rows) + "\n")
    Path("mine.py").write_text(STRATEGY)
    Path("planted").write_text(MINE)
    Path("bot.toml").write_text(BOT)
    Path("evenkeel.toml").write_text(
        "[logging]\nlevels = 'debug'\nfile = 'logs/evenkeel.log'\n"
        "[audit]\ncheckpoints = 'checkpoints.jsonl'\n"
    )
    return tmp_path


@pytest.fixture
def run(house, monkeypatch, capsys):
    """Run a command as the passphrase's variable opens it; remember all that it says."""
    said = []

    def ran(*words, code=0, stdin=b""):
        monkeypatch.setenv(VARIABLE, PASSPHRASE)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", open_stdin(stdin))
            found = main(list(words))
        out, err = capsys.readouterr()
        if words[:2] != ("secrets", "get") or found:
            said.append((words, out))
        said.append((words, err))
        assert found == code, (words, out, err)
        return out

    ran.said = said
    return ran


def open_stdin(content):
    import io

    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")


def plant(run):
    run("secrets", "init")
    run("secrets", "set", "broker.password", stdin=TYPED.encode())
    Path(".env").write_text(f"DATA_KEY='{IMPORTED}'\n")
    run("secrets", "import", ".env")
    Path(".env").unlink()
    run("audit", "key")
    assert run("secrets", "get", "broker.password") == f"{TYPED}\n"
    assert run("secrets", "get", "DATA_KEY") == f"{IMPORTED}\n"


def trade(run):
    run("backtest", "mine.py:Mine", "--data", "WAVE.csv", "--out", "out")
    run("paper", "bot.toml", "--replay")
    run("report")
    run("why", "1")
    run("runs", "list")
    run("audit", "verify")
    run("audit", "verify", "sqlite:///evenkeel.db")
    run("parity")


def keep(run, database="sqlite:///evenkeel.db"):
    run("db", "check")
    run("db", "backup", "copy.backup.gz")
    run("audit", "checkpoint")
    for form in ("jsonl", "parquet"):
        run("audit", "export", database, "--run", "operations", "--out", f"operators.{form}")


def look(run):
    for words in (["show-config"], ["doctor"], ["secrets", "list"]):
        run(*words)
        run(*words, "--json")


def change_keys(run):
    run("secrets", "rotate", "--reencrypt", "--key", "file:next")
    Path("evenkeel.toml").write_text(
        Path("evenkeel.toml").read_text() + "[vault]\nunlock='file:next'\n"
    )
    run("secrets", "set", "another", stdin=TYPED.encode())
    run("secrets", "rm", "another")


def fail(run, monkeypatch):
    run("backtest", "mine.py:Mine", "--data", "WAVE.csv", "--set", "fails=true", code=2)
    run("secrets", "get", "no.such", code=2)
    run("secrets", "set", "x", TYPED, code=2)
    Path("wrong").write_text(f"{IMPORTED}\n")
    run("secrets", "import", "wrong", code=2)
    Path("wrong").unlink()
    with monkeypatch.context() as patch:
        patch.setenv("EVENKEEL__PATHS__DATABASE", f"postgresql://ada:{DATABASE}@127.0.0.1:1/no")
        run("paper", "bot.toml", "--replay", code=3)
        run("show-config")
        run("doctor", code=1)
        run("doctor", "--json", code=1)
        patch.setenv("EVENKEEL__PATHS__DATABASE", f"nosuch://ada:{DATABASE}@127.0.0.1:1/no")
        run("paper", "bot.toml", "--replay", code=2)
        patch.setenv("EVENKEEL__LOGGING__LEVELS", f"x://ada:{DATABASE}@y")
        run("show-config", code=2)


def break_down(run, monkeypatch):
    """A fault of our own, with a traceback through a frame that holds a secret."""
    from evenkeel.ops.vault.vault import Vault

    opened = Vault.get

    def get(self, name):
        value = opened(self, name).reveal()
        raise LookupError(f"no venue takes {value}")

    with monkeypatch.context() as patch:
        patch.setattr(Vault, "get", get)
        patch.setattr("evenkeel.app.cli.blame.user_fault", lambda error: None)
        run("secrets", "get", "broker.password", code=70)


def test_no_planted_secret_is_left_anywhere(house, run, monkeypatch):
    Path("next").write_text(PASSPHRASE + " again")
    Path("next").chmod(0o600)
    plant(run)
    with closing(sqlite3.connect("evenkeel.db")) as reader:
        reader.execute("SELECT * FROM runs").fetchall()  # else the last to close takes the log away
        trade(run)
        keep(run)
        look(run)
        fail(run, monkeypatch)
        break_down(run, monkeypatch)
        change_keys(run)
        left = {
            str(path.relative_to(house)): planted_in(content_of(path)) for path in files_of(house)
        }
        assert Path("evenkeel.db-wal").stat().st_size > 0
    spoken = {words: planted_in(text.encode()) for words, text in run.said}
    assert not {words: found for words, found in spoken.items() if found}
    assert not {name: found for name, found in left.items() if found}
    kinds = {Path(name).suffix for name in left} | {Path(name).name for name in left}
    assert {"secrets.vault", "evenkeel.db", "evenkeel.log", "journal.log", ".html", ".csv"} <= kinds
    assert {".gz", ".jsonl", ".parquet", "evenkeel.db-wal"} <= kinds
    assert "***" in "".join(text for _, text in run.said), "the net has caught something"


def test_a_server_keeps_no_secret_and_nobody_shows_its_password(house, run, monkeypatch):
    """The server trusts who comes from this machine, so that any password opens it."""
    need_postgres()
    with schema() as url:
        secret_url = re.sub(r"//(\w+)(:[^@]*)?@", rf"//\1:{DATABASE}@", url)
        assert DATABASE in secret_url
        Path("evenkeel.local.toml").write_text(f'[paths]\ndatabase = "{secret_url}"\n')
        plant(run)
        run("paper", "bot.toml", "--replay")
        keep(run, secret_url)
        look(run)
        kept = "".join(rows_of(url))
    Path("evenkeel.local.toml").unlink()
    assert "OperatorActed" in kept, "so this is where the records are"
    assert planted_in(kept.encode()) == []
    assert not {words: found for words, text in run.said if (found := planted_in(text.encode()))}
    left = {str(path): planted_in(content_of(path)) for path in files_of(house)}
    assert not {name: found for name, found in left.items() if found}


def rows_of(url):
    """Every row of every table of a schema, as the server writes it."""
    import psycopg

    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        ).fetchall()
        for (table,) in tables:
            for (row,) in connection.execute(f'SELECT t::text FROM "{table}" t'):  # noqa: S608
                yield row


def files_of(house):
    return [path for path in house.rglob("*") if path.is_file() and path.name not in PLANTED]


def test_the_search_finds_what_is_there(house):
    """Else the test above could not fail."""
    for text in CANARIES:
        for form in forms(text):
            assert planted_in(b"before " + form + b" after") == [text]


WAITS = """
import os, resource, sys
from evenkeel.app.vault import open_vault
from evenkeel.ops.settings import load_settings
from evenkeel.ops.vault import unlock
unlock.key_source.__kwdefaults__["costs"] = unlock.Argon2Costs(32, 1, 1)
resource.setrlimit(resource.RLIMIT_CORE, (hard := resource.getrlimit(resource.RLIMIT_CORE)[1], hard))
secret = open_vault(load_settings()).get("broker.password").reveal()
print(secret == sys.argv[1], resource.getrlimit(resource.RLIMIT_CORE)[0], flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="this system has no /proc")
def test_a_running_process_shows_no_secret_of_its_start(house, run):
    plant(run)
    cache = f"redis://:{DATABASE}@127.0.0.1:1/0"
    variables = {**os.environ, VARIABLE: PASSPHRASE, "EVENKEEL__PROVIDERS__REDIS": cache}
    with subprocess.Popen(
        [sys.executable, "-c", WAITS, TYPED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=variables,
    ) as running:
        assert running.stdout.readline() == b"True 0\n", "and it leaves no core"
        shown = Path(f"/proc/{running.pid}/environ").read_bytes()
        words = Path(f"/proc/{running.pid}/cmdline").read_bytes()
        running.stdin.close()
    assert VARIABLE.encode() in shown, "the name was there, so this is the block that it began with"
    assert planted_in(shown) == []
    assert planted_in(words) == [TYPED], "and the search would have found it"


COMMAND = f"""
import os, sys
from evenkeel.app import cli

def wait(given):
    print({VARIABLE!r} in os.environ, flush=True)
    sys.stdin.read()
    return 0

cli._run = wait
cli.main(["runs", "list"])
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="this system has no /proc")
def test_a_command_that_needs_no_vault_shows_no_passphrase_either(house):
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, VARIABLE: PASSPHRASE},
    ) as running:
        assert running.stdout.readline() == b"False\n", "nor do the processes that it starts"
        shown = Path(f"/proc/{running.pid}/environ").read_bytes()
        running.stdin.close()
    assert VARIABLE.encode() in shown
    assert planted_in(shown) == []
