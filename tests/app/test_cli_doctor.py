"""The doctor finds what is wrong, says how to cure it, and changes nothing."""

import json
import socket
import sqlite3
from contextlib import closing
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.fakes.clock import FakeClock
from tests.journal.sample import a_run
from tests.ops.vault.kept import MemoryKeyring, create

from evenkeel.app import doctor
from evenkeel.app.cli import main
from evenkeel.domain.events import OperatorActed
from evenkeel.journal.database import DatabaseJournal
from evenkeel.journal.operations import write_down
from evenkeel.ops import time_source
from evenkeel.ops.secret import Secret
from evenkeel.ops.time_source import TimeSource
from evenkeel.ops.vault.keys import KeyringKey
from evenkeel.storage.engine import open_engine
from evenkeel.storage.migrate import NEWEST, prepare

CROSS = "evenkeel.strategy.examples.sma_cross:SmaCross"


@pytest.fixture
def examine(tmp_path, monkeypatch, capsys):
    """See the doctor; return the exit code and the checks by name."""
    monkeypatch.chdir(tmp_path)

    def ask():
        before = sorted(tmp_path.rglob("*"))
        code = main(["doctor", "--json"])
        body = json.loads(capsys.readouterr().out)
        assert sorted(tmp_path.rglob("*")) == before, "looking changes nothing"
        assert body["ok"] is (code == 0)
        return code, {check["name"]: check for check in body["checks"]}

    return ask


def test_a_sound_installation_is_fit_to_trade(examine, capsys):
    code, checks = examine()
    assert code == 0
    assert {check["state"] for check in checks.values()} <= {"ok", "warning"}
    assert "numpy" in checks["libraries"]["found"]
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("Fit to trade.\n")


def test_a_wrong_setting_is_a_fault_and_the_rest_is_still_looked_at(examine, capsys):
    Path("evenkeel.toml").write_text("[paths]\nrun = 'x'\n")
    code, checks = examine()
    assert code == 1
    assert "evenkeel.toml:2" in checks["settings"]["found"]
    assert checks["python"]["state"] == "ok"
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "→ correct it" in out
    assert out.endswith("1 to cure before trading.\n")


def test_settings_say_where_they_are(examine):
    Path("evenkeel.toml").write_text("[account]\ncash = 5\n")
    assert examine()[1]["settings"]["found"] == "1 set, from evenkeel.toml"


def test_a_runs_folder_that_cannot_be_is_a_fault(examine):
    Path("runs").write_text("a file")
    code, checks = examine()
    assert code == 1
    assert "not a folder" in checks["runs folder"]["found"]


def test_a_database_is_at_its_version_or_a_fault(examine):
    assert "will make" in examine()[1]["database"]["found"]
    engine = open_engine("sqlite:///evenkeel.db")
    prepare(engine)
    engine.dispose()
    assert f"at version {NEWEST}" in examine()[1]["database"]["found"]
    Path("evenkeel.db").write_bytes(b"this is no database, whatever its name says")
    assert examine()[1]["database"]["state"] == "fault"


def test_a_database_that_is_empty_is_a_fault_with_its_cure(examine):
    open_engine("sqlite:///evenkeel.db").dispose()
    check = examine()[1]["database"]
    assert check["state"] == "fault"
    assert "evenkeel db upgrade" in check["found"]


def test_a_journal_that_was_changed_is_a_fault(examine, capsys):
    rows = [f"2020-01-{day:02},10,11,9,10,100" for day in range(2, 20)]
    Path("x.csv").write_text("\n".join(["date,open,high,low,close,volume", *rows]))
    assert main(["backtest", CROSS, "--data", "x.csv", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run_id"]
    assert examine()[1]["journals"]["found"] == "1 of the 1 newest verify"
    journal = Path("runs", run, "journal.log")
    journal.write_bytes(journal.read_bytes().replace(b"SmaCross", b"SmbCross"))
    code, checks = examine()
    assert code == 1
    assert checks[f"journal of {run}"]["state"] == "fault"
    journal.unlink()
    assert "cannot read" in examine()[1][f"journal of {run}"]["found"]


def test_journals_of_the_database_are_read_too(examine):
    engine = open_engine("sqlite:///evenkeel.db")
    for number in range(7):
        journal = DatabaseJournal.begin(
            engine, f"run-{number}", mode="paper", strategy="s", manifest={}, created_at=number
        )
        journal.append(a_run())
        journal.close()
    write_down(engine, OperatorActed(1, "anna", "secrets get"))
    engine.dispose()
    assert examine()[1]["journals"]["found"] == "6 of the 6 newest verify"
    with closing(sqlite3.connect("evenkeel.db")) as connection:
        connection.execute("DROP TRIGGER record_changed")
        connection.execute("UPDATE journal_records SET at = 7 WHERE sequence = 3")
        connection.commit()
    code, checks = examine()
    assert code == 1
    assert "record 3" in checks["journal of run-6"]["found"]
    assert {f"journal of run-{number}" for number in range(7)} & set(checks) == {
        f"journal of run-{number}" for number in range(2, 7)
    }


@pytest.mark.parametrize(("free", "state"), [(2**40, "ok"), (2**29, "warning"), (2**20, "fault")])
def test_a_disk_without_room_is_found_before_the_journal_finds_it(
    examine, monkeypatch, free, state
):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: SimpleNamespace(free=free))
    assert examine()[1]["disk"]["state"] == state


def test_a_library_that_is_missing_is_a_fault_and_an_extra_a_warning(examine, monkeypatch):
    found = doctor.version

    def without_numpy(name):
        if name == "numpy":
            raise PackageNotFoundError
        return found(name)

    monkeypatch.setattr(doctor, "version", without_numpy)
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    code, checks = examine()
    assert code == 1
    assert checks["numpy"]["cure"] == "pip install numpy"
    assert checks["extra demo"]["state"] == "warning"
    assert "evenkeel[demo]" in checks["extra demo"]["cure"]


def test_a_library_that_is_too_old_is_a_fault(examine, monkeypatch):
    found = doctor.version
    monkeypatch.setattr(doctor, "version", lambda name: "1.2" if name == "numpy" else found(name))
    check = examine()[1]["numpy"]
    assert (check["state"], check["found"]) == ("fault", "1.2, older than 1.26")
    assert check["cure"] == "pip install 'numpy>=1.26'"


def test_a_live_profile_that_is_not_complete_is_a_fault(examine):
    Path("evenkeel.toml").write_text("[profile.live.paths]\nruns = 'live'\n")
    code, checks = examine()
    assert code == 1
    assert "live trading takes no defaults" in checks["profile live"]["found"]
    Path("evenkeel.toml").write_text(
        "[profile.live]\npaths = { runs = 'r', database = 'sqlite:///l.db' }\n"
        "account.currency = 'USD'\nvault.file = 'v'\nlogging.file = 'l'\n"
    )
    assert "profile live" not in examine()[1]


# ---- vault ----


@pytest.fixture
def vault(tmp_path):
    create(tmp_path / "secrets.vault").set("a", Secret("canary"))
    (tmp_path / ".secrets.vault.lock").unlink()  # a look makes none
    return tmp_path / "secrets.vault"


def test_no_vault_is_no_fault(examine):
    assert "secrets init" in examine()[1]["vault"]["found"]


def test_a_vault_is_looked_at_from_outside(examine, vault):
    check = examine()[1]["vault"]
    assert (check["state"], check["found"]) == ("ok", "secrets.vault: 1 secrets, key by passphrase")


def test_a_vault_that_others_can_read_or_that_is_damaged_is_a_fault(examine, vault):
    vault.chmod(0o644)
    check = examine()[1]["vault"]
    assert (check["state"], check["cure"]) == ("fault", "chmod 600 secrets.vault")
    vault.write_bytes(vault.read_bytes()[:-9])
    assert "damaged or no vault" in examine()[1]["vault"]["found"]


def test_a_vault_whose_keyring_is_not_there_is_a_fault(examine, tmp_path):
    create(tmp_path / "secrets.vault", source=KeyringKey(MemoryKeyring()))
    check = examine()[1]["vault"]
    assert check["state"] == "fault"
    assert "does not keep a secret" in check["found"]


# ---- clock, log, port ----


@pytest.mark.parametrize(
    ("source", "state", "found"),
    [
        (None, "warning", "does not say"),
        (TimeSource(synchronised=False, error_seconds_max=16.0), "warning", "no time source"),
        (TimeSource(synchronised=True, error_seconds_max=1.5), "fault", "may be 1.5 s off"),
        (TimeSource(synchronised=True, error_seconds_max=0.02), "ok", "right within 0.020 s"),
    ],
    ids=["unasked", "lost", "far off", "right"],
)
def test_a_clock_is_right_or_it_is_said(examine, monkeypatch, source, state, found):
    monkeypatch.setattr(time_source, "time_source", lambda: source)
    check = examine()[1]["clock"]
    assert (check["state"], found in check["found"]) == (state, True)


def test_a_log_file_can_be_written_or_it_is_a_fault(examine):
    assert examine()[1]["log"]["found"] == "to the terminal, info"
    Path("evenkeel.toml").write_text("[logging]\nfile = 'logs/x.log'\n")
    assert examine()[1]["log"]["found"] == "to logs/x.log, info"
    Path("logs").write_text("a file")
    assert examine()[1]["log"]["state"] == "fault"


def test_a_port_that_is_taken_is_said(examine):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        Path("evenkeel.toml").write_text(f"[metrics]\nport = {port}\n")
        check = examine()[1]["metrics port"]
        assert (check["state"], f"{port}: Address already in use") == ("warning", check["found"])
    assert examine()[1]["metrics port"]["found"] == f"{port} is free"


# ---- data ----


def test_data_that_grows_old_is_said(examine, capsys, monkeypatch):
    assert "no catalog at" in examine()[1]["data"]["found"]
    rows = [f"2024-01-{day:02},10,11,9,10,100" for day in range(2, 6)]
    Path("x.csv").write_text("\n".join(["date,open,high,low,close,volume", *rows]))
    assert main(["data", "import", "x.csv"]) == 0
    capsys.readouterr()
    check = next(each for name, each in examine()[1].items() if name.startswith("data "))
    assert check["state"] == "warning"
    assert "newest bar of 2024-01-05 00:00" in check["found"]
    four_days_on = 1_704_412_800_000_000_000 + 4 * 86_400_000_000_000
    monkeypatch.setattr(doctor, "SYSTEM_CLOCK", FakeClock(four_days_on))
    check = next(each for name, each in examine()[1].items() if name.startswith("data "))
    assert check["state"] == "ok"
    (manifest,) = Path("catalog").rglob("manifest.json")
    manifest.write_text("{")
    check = next(each for name, each in examine()[1].items() if name.startswith("data "))
    assert check["state"] == "fault"
