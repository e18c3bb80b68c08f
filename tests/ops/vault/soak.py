"""Who changes the key of a vault is shot, over and over: run in a process of its own, it forks.

`python -m tests.ops.vault.soak FOLDER TIMES COMMANDS` shoots TIMES a process that does nothing but
rotate, where nearly every moment is one of the change, and COMMANDS `evenkeel secrets rotate` at
their full cost, at any moment from their start to their end. It prints what happened as JSON.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.journal.soak import forked
from tests.ops.vault.kept import CHEAP, create, key, unlock

from evenkeel.domain.errors import VaultError
from evenkeel.journal.verify import verify_database
from evenkeel.ops.secret import Secret
from evenkeel.ops.vault.keys import COSTS

PASSPHRASES = ("correct horse battery", "another passphrase")
SECRETS = {f"secret.{number}": f"canary-{number}" * number for number in range(1, 40)}


def keys_that_open(path, costs):
    """Which of the two keys open the vault and every secret in it."""
    found = []
    for number, passphrase in enumerate(PASSPHRASES):
        try:
            opened = unlock(path, source=key(passphrase, costs))
        except VaultError:
            continue
        if {name: opened.get(name).reveal() for name in opened.names()} == SECRETS:
            found.append(number)
    return found


class Shots:
    """What came of them: under which key the vault was found, and whether one did not do."""

    def __init__(self):
        self.old = self.new = 0
        self.problems = []

    def judge(self, path, before, costs):
        """Look at the vault after a shot; return which key opens it now."""
        found = keys_that_open(path, costs)
        if len(found) != 1:
            self.problems.append(f"keys {found} open it, every secret in it with them")
            return before
        self.old += found[0] == before
        self.new += found[0] != before
        return found[0]


# ---- a process that does nothing else ------------------------------------------------------------


def rotate_on(say, path, now):
    """Go from the one key to the other and back, without end."""
    vault = unlock(path, source=key(PASSPHRASES[now]))
    say(now)
    while True:
        now = 1 - now
        vault.rotate(key(PASSPHRASES[now]), reencrypt=now == 0)
        say(now)


def shoot_rotations(folder, times):
    dice, path, found, now = random.Random(times), folder / "hot.vault", Shots(), 0
    create(path).update({name: Secret(text) for name, text in SECRETS.items()})
    for _ in range(times):
        child, lines = forked(rotate_on, path, now)
        for _ in range(dice.randint(1, 4)):
            now = int(lines.readline())
        time.sleep(dice.random() * 0.02)
        os.kill(child, signal.SIGKILL)
        rest = lines.read().splitlines()
        os.waitpid(child, 0)
        now = found.judge(path, int(rest[-1]) if rest else now, CHEAP)
        if found.problems:
            return found
    unlock(path, source=key(PASSPHRASES[now])).rotate(key(PASSPHRASES[1 - now]))
    left = sorted(each.name for each in folder.iterdir() if each.name.startswith(".hot"))
    if left != [".hot.vault.lock"]:
        found.problems.append(f"after the last change there is still {left}")
    return found


# ---- the command ---------------------------------------------------------------------------------

COMMAND = "from evenkeel.app.cli import main; raise SystemExit(main())"


def command(folder, now, *words, stdin=b""):
    """Start `evenkeel` where the vault opens with the key that holds now."""
    variables = {
        **os.environ,
        "EVENKEEL__VAULT__UNLOCK": f"file:{now}",
        "EVENKEEL__PATHS__DATABASE": "sqlite:///evenkeel.db",
    }
    started = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        cwd=folder,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    started.stdin.write(stdin)
    started.stdin.close()
    return started


def shoot_commands(folder, times):
    dice, path, found, now = random.Random(times), folder / "secrets.vault", Shots(), 0
    if not times:
        return found
    for number, passphrase in enumerate(PASSPHRASES):
        (folder / str(number)).write_text(passphrase)
        (folder / str(number)).chmod(0o600)
    lines = "".join(f"{name}={text}\n" for name, text in SECRETS.items())
    assert command(folder, 0, "secrets", "init").wait() == 0
    assert command(folder, 0, "secrets", "import", "-", stdin=lines.encode()).wait() == 0
    began = time.monotonic()
    assert command(folder, 0, "secrets", "rotate", "--key", "file:1").wait() == 0
    lasts, now = time.monotonic() - began, 1
    for _ in range(times):
        running = command(folder, now, "secrets", "rotate", "--key", f"file:{1 - now}")
        time.sleep(dice.random() * lasts * 1.2)  # the last of them reach its end
        running.kill()
        running.wait()
        now = found.judge(path, now, COSTS)
    verdict = verify_database(f"sqlite:///{folder}/evenkeel.db", "operations")
    if not verdict.ok:
        found.problems.append(str(verdict))
    return found


if __name__ == "__main__":
    place, *counts = sys.argv[1:]
    made = {
        what: vars(shoot(Path(place), int(times)))
        for (what, shoot), times in zip(
            {"rotations": shoot_rotations, "commands": shoot_commands}.items(), counts, strict=True
        )
    }
    print(json.dumps(made))  # noqa: T201  # that is what it is for
