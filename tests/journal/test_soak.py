"""Eight write and eight read; writers are shot: nothing that was acknowledged is lost or doubled.

Short here; `make soak` gives it 30 seconds and 200 shots for each database.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = os.environ.get("EVENKEEL_SOAK_SECONDS", "1")
SHOTS = os.environ.get("EVENKEEL_SOAK_SHOTS", "6")


def soak(*words):
    command = [sys.executable, "-m", "tests.journal.soak", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_crowd_loses_and_doubles_nothing(any_database, record_property):
    found = soak("crowd", any_database, SECONDS, "8", "8")
    assert found["errors"] == []
    assert found["problems"] == []
    assert (found["writers"], found["readers"]) == (8, 8)
    assert found["acknowledged"] == found["there"] > 8
    assert found["acts"] == found["acts_there"]
    assert found["reads"] > 0
    kind = any_database.partition(":")[0]
    record_property(
        f"8 writers and 8 readers for {SECONDS} s on {kind}",
        f"{found['there']} records and {found['acts']} acts of operators, as acknowledged; "
        f"{found['reads']} verifications meanwhile, all sound",
    )


def test_a_writer_that_is_shot_leaves_what_it_acknowledged(any_database, record_property):
    found = soak("shots", any_database, SHOTS)
    assert found["problems"] == []
    assert found["shots"] == int(SHOTS)
    assert found["appended"] > 0
    record_property(
        f"writers shot on {any_database.partition(':')[0]}",
        f"{found['shots']}; {found['records']} records, chain sound after each, "
        "nothing lost that was acknowledged",
    )
