"""`evenkeel audit` and `evenkeel db`: journals are kept, vouched for, handed on and made again."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.databases import trader
from tests.engine.market import bars, card
from tests.fakes.clock import FakeClock
from tests.ops.vault.kept import CHEAP

from evenkeel.app import operations, vault
from evenkeel.app.checkpoints import checkpoints_of
from evenkeel.app.cli import main
from evenkeel.app.database import opened
from evenkeel.app.journals import Picked
from evenkeel.app.paper import paper
from evenkeel.app.setup import request
from evenkeel.journal.verify import verify_database
from evenkeel.ops.settings import load_settings
from evenkeel.ops.vault.unlock import key_source
from evenkeel.storage import projections
from evenkeel.storage.migrate import NEWEST, VERSIONS
from evenkeel.strategy.examples.sma_cross import SmaCross

CLOSES = [50 + 10 * ((n * 7) % 13) / 13 for n in range(80)]
URL = "sqlite:///evenkeel.db"
SETTINGS = """
[vault]
unlock = "file:pass"
[audit]
checkpoints = "kept/checkpoints"
every_records = 20
"""


def move_in(folder, patch):
    """Work in a folder with a vault that opens at little cost, where checkpoints are signed."""
    patch.chdir(folder)
    patch.setitem(key_source.__kwdefaults__, "costs", CHEAP)
    patch.setattr(vault, "_asked", lambda *prompts: None)
    Path("pass").write_text("correct horse battery")
    Path("pass").chmod(0o600)
    Path("evenkeel.toml").write_text(SETTINGS)
    Path("kept").mkdir(exist_ok=True)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    move_in(tmp_path, monkeypatch)


@pytest.fixture
def ask(capsys):
    """Run a command; return its exit code and the object that it printed."""

    def run(*words, code=0):
        found = main([*map(str, words), "--json"])
        said = capsys.readouterr()
        assert found == code, said.err
        return json.loads(said.out)

    return run


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A folder with a run on paper that was watched as it went, and the run's id."""
    folder = tmp_path_factory.mktemp("watched")
    with pytest.MonkeyPatch.context() as patch:
        move_in(folder, patch)
        assert main(["secrets", "init"]) == 0
        assert main(["audit", "key"]) == 0
        wanted = request(SmaCross(fast=2, slow=5), [bars(*CLOSES)], limits=card())
        made = paper(wanted, URL, checkpoints=checkpoints_of(load_settings()))
    return folder, made.manifest["run_id"]


@pytest.fixture
def run_id(watched, tmp_path):
    """The run, in a folder of one's own."""
    folder, run = watched
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return run


def on_database(statement, *given, rules=("record_changed",)):
    """As somebody who owns the file and knows SQL."""
    with closing(sqlite3.connect("evenkeel.db")) as connection:
        for rule in rules:
            connection.execute(f"DROP TRIGGER IF EXISTS {rule}")
        connection.execute(statement, given)
        connection.commit()


# ---- audit --------------------------------------------------------------------------------------


def test_a_run_is_vouched_for_to_its_last_record(ask, run_id):
    found = ask("audit", "verify", URL, "--run", run_id)
    assert (found["ok"], found["vouched"]) == (True, found["records"])
    assert len(Path("kept/checkpoints").read_text().splitlines()) >= found["records"] // 40
    assert ask("audit", "verify", URL)["ok"]
    assert ask("audit", "verify", URL)["journals"][0]["run"] == "operations"


def test_what_was_done_with_the_vault_is_on_record(ask, run_id):
    ask("audit", "export", URL, "--run", "operations", "--out", "o.jsonl")
    said = [json.loads(line)["record"]["body"] for line in Path("o.jsonl").read_text().splitlines()]
    assert [each["command"] for each in said][:3] == ["vault create", "vault unlock", "vault write"]
    assert all(each["actor"] == operations.actor() for each in said)
    assert said[2]["after"]["name"] == "@signer/checkpoints"
    assert "correct horse" not in Path("o.jsonl").read_text()


def test_a_wrong_key_is_on_record_as_refused(ask, run_id):
    Path("pass").write_text("another passphrase of some length")
    ask("secrets", "list", code=2)
    ask("audit", "export", URL, "--run", "operations", "--out", "o.jsonl")
    last = json.loads(Path("o.jsonl").read_text().splitlines()[-1])["record"]["body"]
    assert (last["command"], last["after"]["refused"]) == ("vault unlock", "yes")


def test_a_journal_that_was_cut_off_is_found_by_its_checkpoints(ask, run_id):
    """Rows and count are taken back together: the chain is whole, what was signed is not."""
    rules = ("record_removed", "run_changed")
    on_database(
        "DELETE FROM journal_records WHERE sequence > 20 AND run_id = ?", run_id, rules=rules
    )
    head = "(SELECT hash FROM journal_records WHERE sequence = 20 AND run_id = ?1)"
    on_database(f"UPDATE runs SET records = 20, head_hash = {head} WHERE run_id = ?1", run_id)  # noqa: S608  # ours
    assert verify_database(URL, run_id).ok
    found = ask("audit", "verify", URL, "--run", run_id, code=1)
    assert found["first_bad"] == 21


def test_a_run_that_is_gone_altogether_is_found_by_its_checkpoints(ask, run_id):
    for table, rule in (
        ("projections", ()),
        ("journal_records", ("record_removed",)),
        ("runs", ("run_removed",)),
    ):
        on_database(f"DELETE FROM {table} WHERE run_id = ?", run_id, rules=rule)  # noqa: S608  # ours
    found = ask("audit", "verify", URL, code=1)
    assert [each["run"] for each in found["journals"] if not each["ok"]] == [run_id]
    ask("audit", "checkpoint")
    wanted = request(SmaCross(fast=2, slow=5), [bars(*CLOSES)], limits=card())
    paper(wanted, URL)
    found = ask("audit", "verify", URL, code=1)
    (lost,) = [each for each in found["journals"] if not each["ok"]]
    assert (lost["run"], lost["first_bad"]) == (run_id, 1)


def test_a_database_of_one_journal_needs_no_name_for_it(ask):
    ask("db", "upgrade")
    assert ask("audit", "verify", URL)["run"] == "operations"


def test_checkpoints_are_believed_of_the_keys_that_are_given(ask, run_id):
    key = ask("audit", "key")["public_key"]
    assert Path("checkpoints.pub").read_text().count(key) == 1
    words = ("audit", "verify", URL, "--run", run_id, "--checkpoints", "kept/checkpoints")
    assert ask(*words, "--keys", key)["vouched"] > 0
    Path("mine").write_text(f"{'00' * 31}01\n")
    assert "names a key that was not given" in ask(*words, "--keys", "mine", code=1)["error"]
    assert "cannot read the checkpoints" in ask(*words[:-1], "none", code=2)["error"]


def test_a_checkpoint_of_everything_is_signed_when_one_asks_for_it(ask, run_id):
    before = len(Path("kept/checkpoints").read_text().splitlines())
    signed = ask("audit", "checkpoint")["journals"]
    assert set(signed) == {"operations", run_id}
    assert len(Path("kept/checkpoints").read_text().splitlines()) == before + 2
    assert ask("audit", "verify", URL, "--run", "operations")["vouched"] == signed["operations"]


def test_checkpoints_need_a_place(ask, run_id):
    Path("evenkeel.toml").write_text('[vault]\nunlock = "file:pass"\n')
    assert "have nowhere to go" in ask("audit", "checkpoint", code=2)["error"]
    assert ask("audit", "verify", URL, "--run", run_id)["vouched"] == 0
    Path("evenkeel.toml").write_text(SETTINGS.replace("kept/", "kept/new-"))
    assert ask("audit", "verify", URL, "--run", run_id)["vouched"] == 0


def test_a_key_that_cannot_be_kept_is_said(ask, run_id):
    Path("checkpoints.pub").unlink()
    Path("checkpoints.pub").mkdir()
    assert "cannot" in ask("audit", "key", code=2)["error"]
    with Path("evenkeel.toml").open("a") as file:
        file.write('public_keys = "nowhere/keys"\n')
    assert "cannot write nowhere/keys" in ask("audit", "key", code=3)["error"]


def test_a_run_file_has_no_operators_beside_it():
    """Nor has a database in which nobody ever acted."""
    assert Picked("run", path=Path("journal.log")).sibling("operations") is None


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_an_export_is_verified_with_what_vouches_for_it(ask, run_id, kind):
    made = ask("audit", "export", "evenkeel.db", "--run", run_id, "--out", f"run.{kind}")
    assert made["format"] == kind
    assert made["checkpoints"] > 1
    found = ask("audit", "verify", f"run.{kind}")
    assert (found["records"], found["head_hash"]) == (made["records"], made["head"])
    assert found["vouched"] == made["records"]
    assert made["first"] == 1
    assert json.loads(Path(made["summary"]).read_text())["sha256"] == made["sha256"]


def test_a_run_folder_is_exported_as_well(ask, tmp_path):
    rows = [f"2020-01-{day:02},10,11,9,10,100" for day in range(2, 20)]
    Path("x.csv").write_text("\n".join(["date,open,high,low,close,volume", *rows]))
    strategy = "evenkeel.strategy.examples.sma_cross:SmaCross"
    run = ask("backtest", strategy, "--data", "x.csv")["run_id"]
    for target in (run, f"runs/{run}", f"runs/{run}/journal.log"):
        made = ask("audit", "export", target, "--out", "x.data", "--format", "jsonl")
        assert made["run_id"] == run
        assert ask("audit", "verify", "x.data")["records"] == made["records"]
    assert not Path("evenkeel.db").exists()


def test_what_cannot_be_exported_is_said(ask, run_id, tmp_path):
    words = ("audit", "export", URL)
    assert "holds operations, " not in ask(*words, "--run", run_id, "--out", "a")
    assert "there is no run 'x'" in ask(*words, "--run", "x", "--out", "a", code=2)["error"]
    assert "is a folder" in ask(*words, "--run", run_id, "--out", "kept", code=2)["error"]
    assert "must end with .jsonl or .parquet" in ask(*words, "--out", "a.csv", code=2)["error"]
    Path("kept/a.jsonl.summary.json").mkdir()
    told = ask(*words, "--run", run_id, "--out", "kept/a.jsonl", code=3)["error"]
    assert "cannot write" in told
    wanted = request(SmaCross(fast=2, slow=5), [bars(*CLOSES)], limits=card())
    paper(wanted, URL)
    assert "say which run is meant" in ask(*words, "--out", "a", code=2)["error"]


def test_a_decision_is_traced_from_its_bar(ask, run_id):
    found = ask("audit", "trace", 1, URL)
    kinds = [each["kind"] for each in found["records"]]
    assert kinds[:2] == ["Approved", "OrderAccepted"]
    assert "Fill" in kinds
    first, *others = found["records"]
    assert first["bar_at"] == first["at"]
    assert {each["caused_by"] for each in others} == {first["sequence"]}
    assert "has no order 9999" in ask("audit", "trace", 9999, URL, code=2)["error"]


def test_a_trace_is_a_table(run_id, capsys):
    assert main(["audit", "trace", "1", URL]) == 0
    assert "caused by" in capsys.readouterr().out


# ---- purge --------------------------------------------------------------------------------------


@pytest.fixture
def years_later(monkeypatch):
    clock = FakeClock(2_000_000_000_000_000_000)  # 2033
    monkeypatch.setattr("evenkeel.app.cli.purged.SYSTEM_CLOCK", clock)
    return clock


def test_nothing_is_purged_before_its_time(ask, run_id):
    assert ask("audit", "purge")["records"] == 0
    assert ask("audit", "purge", "--yes", "--reason", "x")["records"] == 0


def test_a_purge_is_asked_for_twice_and_with_a_reason(ask, run_id, years_later):
    asked = ask("audit", "purge")
    assert asked["records"] > 0
    assert not asked["done"]
    assert "with its reason" in ask("audit", "purge", "--yes", code=2)["error"]
    before = ask("audit", "verify", URL, "--run", run_id)
    done = ask("audit", "purge", "--yes", "--reason", "yearly")
    assert (done["done"], done["runs"]) == (True, asked["runs"])
    after = ask("audit", "verify", URL, "--run", run_id)
    assert after["purged"] == before["records"]
    assert after["head_hash"] == before["head_hash"]
    assert after["vouched"] == after["records"]
    ask("audit", "export", URL, "--run", run_id, "--out", "gone.jsonl")
    assert ask("audit", "verify", "gone.jsonl")["purged"] == before["records"]
    assert "has no order 1" in ask("audit", "trace", 1, URL, code=2)["error"]
    assert ask("db", "check")["ok"]


# ---- db -----------------------------------------------------------------------------------------


def test_tables_are_made_again_to_the_same_content(ask, run_id):
    """Paper leaves its run's up to date; who did what is read by the first rebuild."""
    assert ask("db", "check")["ok"]
    first = ask("db", "rebuild")
    assert (first["runs"], first["as_the_journals_say"]) == (2, True)
    again = ask("db", "rebuild")
    assert first["after"] == again["before"] == again["after"]
    assert again["as_the_journals_say"]


def test_who_acted_is_found_by_name(ask, run_id, monkeypatch):
    ask("db", "rebuild")
    monkeypatch.setattr(operations.getpass, "getuser", lambda: "anna")
    for _ in range(2):
        ask("db", "rebuild")
    ask("db", "rebuild")
    with opened(URL) as engine, engine.connect() as connection:
        found = connection.execute(text("SELECT run_id, name, sequence FROM operators")).all()
        told = connection.execute(
            text("SELECT sequence, payload FROM journal_records WHERE run_id = 'operations'")
        ).all()
    actors = {}
    for sequence, payload in told:
        actors.setdefault(json.loads(payload)["body"]["actor"], sequence)
    assert len(actors) == 2
    assert {(run, name, first) for run, name, first in found} == {
        ("operations", name, first) for name, first in actors.items()
    }


def test_what_no_journal_says_does_not_outlive_a_rebuild(ask, run_id):
    sound = ask("db", "rebuild")["after"]
    on_database("UPDATE positions SET quantity = '1000000'", rules=())
    found = ask("db", "rebuild", code=1)
    assert (found["after"], found["as_the_journals_say"]) == (sound, False)
    assert ask("db", "rebuild")["as_the_journals_say"]


def forget():
    """As if no run had ever been read into the tables."""
    with opened(URL) as engine:
        projections.empty(engine)


@pytest.mark.parametrize(
    "change",
    [
        "instruments SET lot = '7'",
        "tickers SET instrument = 'B.XXXX'",
        "accounts SET cash = '1'",
        "strategies SET name = 'other'",
        "limit_cards SET card = '{}'",
        "operators SET name = 'nobody'",
    ],
)
def test_what_a_run_began_with_is_held_to_its_journal_too(ask, run_id, change):
    ask("db", "rebuild")
    on_database(f"UPDATE {change}", rules=())
    assert not ask("db", "rebuild", code=1)["as_the_journals_say"]
    assert ask("db", "rebuild")["as_the_journals_say"]


def test_tables_that_are_behind_are_said_to_be(ask, run_id):
    forget()
    assert ask("db", "check", code=1)["behind"] == [run_id]
    found = ask("db", "rebuild")
    assert found["as_the_journals_say"], "to be behind is no foreign content"
    assert ask("db", "check")["ok"]


def test_a_database_goes_down_and_up_with_a_backup_each_time(ask, run_id):
    sound = ask("db", "rebuild")["after"]
    down = ask("db", "upgrade", "--to", VERSIONS[0], "--backups", "kept")
    assert (down["before"], down["after"]) == (NEWEST, VERSIONS[0])
    assert "is at version 0001" in ask("db", "check", code=1)["problem"]
    assert "db upgrade" in ask("db", "rebuild", code=2)["error"]
    up = ask("db", "upgrade", "--backups", "kept")
    assert (up["before"], up["after"]) == (VERSIONS[0], NEWEST)
    there = sum(verify_database(URL, run).records for run in (run_id, "operations"))
    assert up["records_projected"] == there - 1, "all but the record of the way up"
    assert len({down["backup"], up["backup"], *map(str, Path("kept").glob("*.gz"))}) == 2
    assert ask("db", "rebuild")["after"] == sound
    assert ask("db", "upgrade")["backup"] is None
    assert ask("audit", "verify", URL)["ok"]


def test_a_backup_makes_a_database_again(ask, run_id):
    sound = ask("db", "rebuild")["after"]
    ask("db", "backup", "kept/all.gz")
    assert Path("kept/all.gz").stat().st_mode & 0o077 == 0
    ask("db", "restore", "kept/all.gz", "--database", "sqlite:///again.db")
    assert ask("db", "rebuild", "--database", "sqlite:///again.db")["after"] == sound
    assert verify_database("sqlite:///again.db", run_id).ok
    assert "not empty" in ask("db", "restore", "kept/all.gz", code=2)["error"]


def test_no_database_is_made_for_what_is_no_backup(ask):
    for file in ("evenkeel.toml", "nowhere.gz"):
        assert ask("db", "restore", file, "--database", "sqlite:///again.db", code=2)["error"]
    assert not Path("again.db").exists()


def test_a_backup_of_a_journal_that_is_not_sound_says_so(ask, run_id):
    on_database("UPDATE journal_records SET at = 7 WHERE sequence = 9 AND run_id = ?", run_id)
    ask("db", "backup", "all.gz")
    found = ask("db", "restore", "all.gz", "--database", "sqlite:///again.db", code=1)
    assert "record 9" in found["bad"][run_id]


def test_a_backup_has_a_name_of_its_own(ask, run_id):
    made = [ask("db", "backup")["backup"] for _ in range(2)]
    assert all(Path(name).exists() for name in made)
    assert made == sorted(set(made))


def test_what_is_not_there_is_not_made(ask):
    for words in (("check",), ("backup",), ("rebuild",), ("grants", "--role", "x")):
        assert "there is no database" in ask("db", *words, code=2)["error"]
    assert not Path("evenkeel.db").exists()


def test_an_empty_database_is_made_ready(ask):
    found = ask("db", "upgrade")
    assert (found["before"], found["after"], found["backup"]) == (None, NEWEST, None)
    assert ask("db", "check")["ok"]


def test_a_backup_that_cannot_be_written_is_said(ask, run_id, monkeypatch):
    assert "is a folder" in ask("db", "backup", "kept", code=2)["error"]

    def refuse(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evenkeel.app.database.replace_file", refuse)
    told = ask("db", "backup", "all.gz", code=3)["error"]
    assert "cannot write the backup all.gz: No space left" in told
    assert "No space" in ask("db", "upgrade", "--to", VERSIONS[0], code=3)["error"]
    assert ask("db", "check")["ok"]


def test_commands_that_change_a_database_are_on_record(ask, run_id):
    ask("db", "rebuild")
    ask("db", "upgrade", "--to", VERSIONS[0])
    ask("db", "upgrade")
    with opened(URL) as engine, engine.connect() as connection:
        query = "SELECT payload FROM journal_records WHERE run_id = 'operations' ORDER BY sequence"
        told = [json.loads(each)["body"] for each in connection.scalars(text(query))]
    assert [each["command"] for each in told][-3:] == ["db rebuild", "db upgrade", "db upgrade"]
    versions = [(each["before"]["version"], each["after"]["version"]) for each in told[-2:]]
    assert versions == [(NEWEST, VERSIONS[0]), (VERSIONS[0], NEWEST)]


def test_what_is_to_be_done_is_said_to_people_too(ask, run_id, capsys):
    forget()
    assert main(["db", "check"]) == 1
    assert "Next: evenkeel db rebuild" in capsys.readouterr().out
    ask("db", "rebuild")
    on_database("UPDATE positions SET quantity = '1000000'", rules=())
    assert main(["db", "rebuild"]) == 1
    assert "something that no journal says" in capsys.readouterr().out


def test_each_command_says_it_for_people_too(run_id, capsys):
    for words in (
        "db check",
        "db rebuild",
        "db upgrade",
        "db backup all.gz",
        "db restore all.gz --database sqlite:///again.db",
        "audit key",
        "audit checkpoint",
        "audit purge",
        "audit verify sqlite:///evenkeel.db",
        f"audit verify sqlite:///evenkeel.db --run {run_id}",
        f"audit export sqlite:///evenkeel.db --run {run_id} --out run.jsonl",
    ):
        assert main(words.split()) == 0, words
        assert capsys.readouterr().out.count("\n") >= 1


def test_a_trading_user_is_granted_what_it_needs(ask, postgres_database, capsys):
    url = ("--database", postgres_database)
    with trader(postgres_database) as (role, as_trader):
        shown = ask("db", "grants", "--role", role, *url)
        assert not shown["done"]
        assert any(each.startswith("GRANT SELECT, INSERT ON") for each in shown["sql"])
        assert ask("db", "grants", "--role", role, "--yes", *url) == shown | {"done": True}
        assert ask("db", "check", "--database", as_trader)["ok"]
        told = ask("db", "backup", "all.gz", "--database", as_trader, code=3)["error"]
        assert "permission denied for table users; that is for the owner of the tables" in told
        assert main(["db", "grants", "--role", role, *url]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == "-- Nothing was changed: add --yes."
        assert ask("db", "grants", "--role", "nobody", "--yes", *url, code=2)
    with opened(postgres_database) as engine, engine.connect() as connection:
        told = connection.scalars(text("SELECT payload FROM journal_records")).all()
    assert [json.loads(each)["body"]["after"] for each in told] == [{"role": role}]
    assert "has no roles" in grants_in_sqlite(ask)


def grants_in_sqlite(ask):
    ask("db", "upgrade")
    return ask("db", "grants", "--role", "trader", code=2)["error"]
