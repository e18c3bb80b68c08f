"""Whoever changes the key of a vault is shot: every secret is there, under the old key or the new.

Short here; `make soak` shoots 500 rotations, and 30 commands at their full cost.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROTATIONS = int(os.environ.get("EVENKEEL_SOAK_ROTATIONS", "20"))
COMMANDS = int(os.environ.get("EVENKEEL_SOAK_COMMANDS", "0"))

NAMES = {
    "rotations": "changes of the vault's key that were shot",
    "commands": "`evenkeel secrets rotate` that were shot",
}


def test_a_rotation_that_is_shot_leaves_every_secret_readable(tmp_path, record_property):
    command = [sys.executable, "-m", "tests.ops.vault.soak"]
    done = subprocess.run(
        [*command, str(tmp_path), str(ROTATIONS), str(COMMANDS)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for what, times in (("rotations", ROTATIONS), ("commands", COMMANDS)):
        old, new, problems = (found[what][each] for each in ("old", "new", "problems"))
        assert problems == []
        assert old + new == times
        if times:
            shown = f"{times}; every secret there, {old} under the old key, {new} under the new"
            record_property(NAMES[what], shown)
