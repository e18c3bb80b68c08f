"""Many processes at one database, and writers that are shot: run in a process of its own, it forks.

`python -m tests.journal.soak crowd URL SECONDS WRITERS READERS` and
`python -m tests.journal.soak shots URL TIMES` print what happened as one JSON object.
"""

import json
import os
import random
import signal
import sys
import time

from tests.journal.sample import STARTED

from evenkeel.domain.errors import UsageError
from evenkeel.domain.events import Noted, OperatorActed
from evenkeel.journal.database import DatabaseJournal
from evenkeel.journal.operations import OPERATIONS, write_down
from evenkeel.journal.verify import runs_in, verify_database
from evenkeel.storage.engine import open_engine


def forked(work, *given):
    """Do some work in a child of ours; return its process id and where its lines come out."""
    out, into = os.pipe()
    child = os.fork()
    if child:
        os.close(into)
        return child, os.fdopen(out)
    os.close(out)
    try:
        work(lambda word: os.write(into, f"{word}\n".encode()), *given)
        os._exit(0)
    except BaseException as error:  # noqa: BLE001  # told to the parent, whatever it is
        os.write(into, f"error {type(error).__name__}: {error}\n".encode())
        os._exit(1)


def begin(engine, run):
    journal = DatabaseJournal.begin(
        engine, run, mode="paper", strategy="sma", manifest={}, created_at=1
    )
    journal.append([STARTED])
    return journal


# ---- a crowd ------------------------------------------------------------------------------------


def write(say, url, name, seconds, go):
    """Append to a run of one's own, and now and then to the operators' journal, which all share."""
    dice = random.Random(name)
    engine = open_engine(url)
    journal = begin(engine, name)
    acts = 0
    say("ready")
    os.read(go, 1)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        journal.append([Noted(len(journal), name, "working")] * dice.randint(1, 5))
        if dice.random() < 0.2:
            acts += 1
            write_down(engine, OperatorActed(acts, name, "act"))
    journal.close()
    say(f"wrote {len(journal)} {acts}")


def read(say, url, name, seconds, go):
    """Verify whatever is there; a run never gets shorter."""
    dice, reads, seen = random.Random(name), 0, {}
    say("ready")
    os.read(go, 1)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        known = runs_in(url)
        for run in dice.sample(known, k=min(2, len(known))):
            verdict = verify_database(url, run)
            assert verdict.ok or verdict.records == 0, verdict
            assert verdict.records >= seen.get(run, 0), (run, verdict)
            seen[run] = verdict.records
            reads += 1
    say(f"read {reads}")


def crowd(url, seconds, writers, readers):
    go, starter = os.pipe()
    children = [
        forked(work, url, f"{work.__name__}-{number}", seconds, go)
        for work, count in ((write, writers), (read, readers))
        for number in range(count)
    ]
    for _, lines in children:
        lines.readline()
    os.write(starter, b"!" * len(children))
    said = [line for _, lines in children for line in lines.read().splitlines()]
    for child, _ in children:
        os.waitpid(child, 0)
    wrote = [line.split()[1:] for line in said if line.startswith("wrote")]
    verdicts = {run: verify_database(url, run) for run in runs_in(url)}
    return {
        "errors": [line for line in said if line.startswith("error")],
        "writers": len(wrote),
        "readers": sum(line.startswith("read") for line in said),
        "reads": sum(int(line.split()[1]) for line in said if line.startswith("read")),
        "acknowledged": sum(int(records) for records, _ in wrote),
        "there": sum(v.records for run, v in verdicts.items() if run != OPERATIONS),
        "acts": sum(int(acts) for _, acts in wrote),
        "acts_there": verdicts[OPERATIONS].records if OPERATIONS in verdicts else 0,
        "problems": [verdict.problem for verdict in verdicts.values() if not verdict.ok],
    }


# ---- shots --------------------------------------------------------------------------------------


def write_on(say, url):
    """Take the run up, as soon as the dead writer's lease is free, and append to it without end."""
    engine = open_engine(url)
    journal = None
    while journal is None:
        try:
            journal = DatabaseJournal(engine, "run", since=1)
        except UsageError:  # a server needs a moment to see that a session is dead
            time.sleep(0.002)
    say(len(journal))
    while True:
        journal.append([Noted(len(journal), "sma", "working")] * 3)
        say(len(journal))


def shots(url, times):
    dice = random.Random(times)
    engine = open_engine(url)
    begin(engine, "run").close()
    engine.dispose()
    acknowledged, problems, appended = 1, [], 0
    for _ in range(times):
        child, lines = forked(write_on, url)
        # The first is what it found: a server may have ended the last commit after its writer.
        heard = [int(lines.readline()) for _ in range(dice.randint(1, 4))]
        time.sleep(dice.random() * 0.01)
        os.kill(child, signal.SIGKILL)
        said = [int(line) for line in lines.read().splitlines()]
        os.waitpid(child, 0)
        appended += len(heard) - 1 + len(said)
        acknowledged = max([acknowledged, *heard, *said])
        verdict = verify_database(url, "run")
        # What was acknowledged is there; beside it, at most the one append that was under way.
        if not verdict.ok or verdict.records % 3 != 1:
            problems.append(str(verdict))
        if not acknowledged <= verdict.records <= acknowledged + 3:
            problems.append(f"{acknowledged} acknowledged, {verdict.records} there")
        acknowledged = verdict.records
    return {"shots": times, "appended": appended, "records": acknowledged, "problems": problems}


if __name__ == "__main__":
    what, address, *numbers = sys.argv[1:]
    found = {"crowd": crowd, "shots": shots}[what](address, *map(int, numbers))
    print(json.dumps(found))  # noqa: T201  # that is what it is for
