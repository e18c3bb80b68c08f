"""Engines are asked in JSON; what they answer becomes tables and pictures."""

import ast
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from benchmarks.peers import environments
from benchmarks.peers.__main__ import ask
from benchmarks.peers.environments import OURS, PEERS
from benchmarks.peers.pictures import draw
from benchmarks.peers.tables import tables
from benchmarks.workloads import Busy, Cross, minutes, traded, write
from benchmarks.written import put

HERE = Path(environments.__file__).parent


def answer(name, work, size, seconds, **others):
    """What `measure` keeps of one engine's run."""
    told = {"name": name, "version": "1.0", "work": work, "size": size, "p": 0.5, "bars": size}
    told |= {"seconds": [seconds], "cpu": [seconds], "peak": 3_000, "bytes": 1_000}
    return told | {"orders": size, "trades": size // 2, "equity": 1_000.0} | others


MEASURED = {
    "machine": "a machine",
    "absent": {"gone": "no matching distribution"},
    "answers": [
        *(
            answer("evenkeel", work, size, size / 1e4)
            for work in ("cross", "busy")
            for size in (10, 100)
        ),
        answer("slow", "cross", 10, 2.0, equity=999.5),
        answer("quadratic", "busy", 10, 0.1),
        answer("quadratic", "busy", 100, 10.0),
        {"name": "broken", "work": "cross", "size": 10, "p": 0.5, "error": "it failed"},
        answer("evenkeel", "universe", 5, 1.0),
        answer("evenkeel", "cold", 504, 0.3),
        answer("slow", "cold", 504, 3.0),
    ],
}


@pytest.mark.parametrize(("work", "strategy"), [("cross", Cross()), ("busy", Busy())])
def test_our_engine_answers_what_it_would_do_unasked(work, strategy, tmp_path):
    bars = minutes(2_000)
    write([bars], tmp_path)
    told = ask(OURS, {"work": work, "bars": str(tmp_path), "repeats": 2})
    result = traded(strategy, [bars])
    assert told["equity"] == float(result.ended.equity)
    assert told["orders"] == len(result.lives) > 5
    assert len(told["seconds"]) == len(told["cpu"]) == 2
    assert told["engine"] == "evenkeel"


def test_a_script_that_fails_is_told_in_its_own_words(tmp_path):
    assert (
        "no such file" in ask(OURS, {"work": "cross", "bars": str(tmp_path / "x")})["error"].lower()
    )


def test_the_tables_say_how_engines_compare():
    text = tables(MEASURED)
    assert "gone is not here: no matching distribution" in text
    assert "| broken | 10 | it failed |" in text
    (slow,) = [line for line in text.splitlines() if line.startswith("| slow 1.0 | 10 ")]
    assert "| 4.00 |" in slow  # 2 s against 0.5
    assert slow.endswith("| 999.50 | -0.50 |")  # ours at that size, though it came further
    (quadratic,) = [line for line in text.splitlines() if line.startswith("| quadratic")]
    assert "100 × time" in quadratic
    assert "| slow | 3.00 s | 6.0 × | 1,000.00 |" in text


def test_the_pictures_are_drawings_of_every_engine(tmp_path):
    draw(MEASURED, tmp_path)
    for name, engines in (
        ("bars", {"evenkeel", "slow", "P, a bare loop"}),
        ("orders", {"evenkeel", "quadratic"}),
    ):
        drawing = ET.fromstring((tmp_path / f"benchmarks-{name}.svg").read_text())  # noqa: S314
        words = {each.text for each in drawing.iter("{http://www.w3.org/2000/svg}text")}
        assert engines <= words


def test_a_table_replaces_the_one_between_the_marks_and_nothing_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "before\n<!-- one -->\nold\n<!-- /one -->\nbetween\n<!-- two -->\n<!-- /two -->\n"
    )
    put("one", "new", page)
    put("two", "other", page)
    assert page.read_text() == (
        "before\n<!-- one -->\nnew\n<!-- /one -->\nbetween\n<!-- two -->\nother\n<!-- /two -->\n"
    )


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_has_a_script_that_can_be_read_and_one_version(peer):
    tree = ast.parse((HERE / f"{peer.script}.py").read_text())
    assert {"prepare", "run"} <= {
        each.name for each in tree.body if isinstance(each, ast.FunctionDef)
    }
    assert all("==" in need for need in peer.needs)
