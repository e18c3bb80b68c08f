"""The laws of the house that no linter knows, read from the source itself.

Each law is a small function from a module's tree to the lines that break it. The table `LAWS` says
in which rooms it holds; below it every law is shown a violation that it must see.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "evenkeel"

# ---- reading a module ----


def imports_of(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for: `{"dt": "datetime.datetime"}`, lazy imports included."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                names[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"
    return names


def dotted(node: ast.AST, names: dict[str, str]) -> str:
    """The full name of `a.b.c`, imports resolved; empty for anything else."""
    match node:
        case ast.Name(id=name):
            return names.get(name, name)
        case ast.Attribute(value=value, attr=attr):
            base = dotted(value, names)
            return f"{base}.{attr}" if base else ""
        case _:
            return ""


def without_type_checking(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that exists at run time."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and dotted(child.test, {}).endswith("TYPE_CHECKING"):
            for kept in child.orelse:
                yield from without_type_checking(kept)
        else:
            yield from without_type_checking(child)


def parts_of(node: ast.AST) -> Iterator[ast.AST]:
    """The members of a tuple, list or union written as an argument; else the node itself."""
    match node:
        case ast.Tuple(elts=members) | ast.List(elts=members):
            for member in members:
                yield from parts_of(member)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from parts_of(left)
            yield from parts_of(right)
        case _:
            yield node


# ---- the laws ----


def forged_approvals(tree: ast.Module) -> Iterator[int]:
    """Only the gate makes an `Approved`: nobody calls it, or hands it to what could make one."""
    names = imports_of(tree)

    def is_approved(node: ast.AST) -> bool:
        return dotted(node, names).rpartition(".")[2] == "Approved"

    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        asks = dotted(node.func, names) in {"isinstance", "issubclass"}
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        makes = isinstance(node.func, ast.Attribute) and is_approved(node.func.value)
        if (
            is_approved(node.func)
            or makes
            or (not asks and any(is_approved(part) for arg in given for part in parts_of(arg)))
        ):
            yield node.lineno


def foreign_imports(tree: ast.Module) -> Iterator[int]:
    """The nouns import the standard library, msgspec and each other, nothing else at run time."""
    for node in without_type_checking(tree):
        match node:
            case ast.Import(names=aliases):
                modules = [alias.name for alias in aliases]
            case ast.ImportFrom(module=module, level=0):
                modules = [module or ""]
            case _:
                continue
        for module in modules:
            ours = f"{module}.".startswith("evenkeel.domain.")
            if not ours and module.partition(".")[0] not in {*sys.stdlib_module_names, "msgspec"}:
                yield node.lineno


CLOCKS = {
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "pandas.Timestamp.now",
    "pandas.Timestamp.today",
    "pandas.Timestamp.utcnow",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.time",
    "time.time_ns",
}


def clocks_read(tree: ast.Module) -> Iterator[int]:
    """Time comes in by the door: nobody inside reads a clock, or keeps one to read later."""
    names = imports_of(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and dotted(node, names) in CLOCKS:
            yield node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield from (
                node.lineno for alias in node.names if f"{node.module}.{alias.name}" in CLOCKS
            )


def dice_rolled(tree: ast.Module) -> Iterator[int]:
    """Ids and chance come in by the door too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = {alias.name for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                modules = {node.module or ""}
            if modules & {"random", "secrets", "uuid"}:
                yield node.lineno


def missing_docstring(tree: ast.Module) -> Iterator[int]:
    """Every module opens with the law of the place."""
    if not ast.get_docstring(tree):
        yield 1


def swallowed_errors(tree: ast.Module) -> Iterator[int]:
    """Nobody catches what they cannot name: that is how a fill is lost."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = {dotted(part, {}) for part in parts_of(node.type)} if node.type else {""}
            if caught & {"", "Exception", "BaseException"}:
                yield node.lineno


def modes_asked(tree: ast.Module) -> Iterator[int]:
    """Nobody asks whether this is live: the same path runs, `app` chooses feed and broker."""
    for node in ast.walk(tree):
        match node:
            case ast.If(test=asked) | ast.IfExp(test=asked) | ast.While(test=asked):
                pass
            case ast.Match(subject=asked):
                pass
            case _:
                continue
        words = {dotted(part, {}).rpartition(".")[2].casefold() for part in ast.walk(asked)}
        if words & {"live", "paper", "mode", "is_live", "is_paper"}:
            yield node.lineno


# ---- where they hold ----

Check = Callable[[ast.Module], Iterator[int]]

TIMELESS = ("domain/", "engine/core.py", "risk/", "ledger/", "strategy/", "execution/", "journal/")


@dataclass(frozen=True)
class Law:
    """A check, the rooms where it holds, and the places where it does not, each with its reason."""

    check: Check
    rooms: tuple[str, ...] = ("",)
    but_not: tuple[str, ...] = ()


LAWS = (
    Law(forged_approvals, but_not=("risk/gate.py",)),  # the gate itself
    Law(foreign_imports, rooms=("domain/",)),
    Law(clocks_read, but_not=("ops/clock.py",)),  # the clock itself
    Law(dice_rolled, rooms=TIMELESS),
    Law(missing_docstring),
    Law(swallowed_errors, but_not=("app/cli/__init__.py",)),  # it blames, prints and exits
    Law(modes_asked, but_not=("app/",)),  # composition is where the choice is made
)


def modules() -> dict[str, Path]:
    """Every module of the package by its path inside it."""
    return {path.relative_to(SOURCE).as_posix(): path for path in sorted(SOURCE.rglob("*.py"))}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.check.__name__)
def test_the_house_keeps_the_law(law):
    broken = [
        f"src/evenkeel/{name}:{line}: {law.check.__doc__}"
        for name, path in modules().items()
        if name.startswith(law.rooms) and not (law.but_not and name.startswith(law.but_not))
        for line in law.check(ast.parse(path.read_text(encoding="utf-8"), name))
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.check.__name__)
def test_an_exception_from_a_law_is_still_needed(law):
    """An allow-list that outlives its reason lets the next one in."""
    for place in law.but_not:
        path = SOURCE / place
        if path.is_file():
            assert [*law.check(ast.parse(path.read_text(encoding="utf-8")))], place


# ---- each law sees its violation: the marked lines, and no other ----

PLANTED: tuple[tuple[Check, str], ...] = (
    (
        forged_approvals,
        """
        from evenkeel.domain import verdict
        from evenkeel.domain.verdict import Approved, Approved as Yes
        def ask(verdict: Approved | None) -> "Approved":
            match verdict:
                case Approved():
                    return isinstance(verdict, Approved | Refused)
        Record = Approved | Refused
        Approved(order)                             # broken
        Yes(order)                                  # broken
        verdict.Approved(order, at=1)               # broken
        msgspec.convert(fields, Approved)           # broken
        msgspec.json.decode(line, type=Approved)    # broken
        Decoder(Approved | Refused)                 # broken
        object.__new__(Approved)                    # broken
        Approved.__new__(Approved)                  # broken
        cast(Approved, order)                       # broken
        """,
    ),
    (
        foreign_imports,
        """
        import math, collections.abc
        from evenkeel.domain.order import Order
        from evenkeel.domain import order
        if TYPE_CHECKING:
            import numpy as np
            from evenkeel.risk import limits
        else:
            import numpy as np                      # broken
        import typing
        if typing.TYPE_CHECKING:
            import pandas
        import pandas.core                          # broken
        from evenkeel.domains import other          # broken
        def late():
            from evenkeel.risk import limits        # broken
        """,
    ),
    (
        clocks_read,
        """
        import datetime, time
        import time as t
        from datetime import datetime as dt, UTC
        import pandas as pd
        self.now, bar.time, self.time.time, dt(2026, 1, 2), time.sleep
        datetime.datetime.now(UTC)                  # broken
        datetime.date.today()                       # broken
        dt.utcnow()                                 # broken
        pd.Timestamp.now()                          # broken
        t.time()                                    # broken
        def tick(clock=time.monotonic): ...         # broken
        from time import time_ns as now             # broken
        now()                                       # broken
        """,
    ),
    (
        dice_rolled,
        """
        import decimal
        import random                               # broken
        def name():
            from uuid import uuid4                  # broken
        """,
    ),
    (missing_docstring, "x = 1  # broken"),
    (
        swallowed_errors,
        """
        try: ...
        except ValueError: ...
        try: ...
        except Exception: ...                       # broken
        try: ...
        except (OSError, BaseException): ...        # broken
        try: ...
        except: ...                                 # broken
        """,
    ),
    (
        modes_asked,
        """
        if alive or modes or "live" in name: ...
        mode = paper
        if live: ...                                # broken
        if not self.live: ...                       # broken
        x = 1 if config.mode == "paper" else 2      # broken
        if run.mode is Mode.BACKTEST: ...           # broken
        if kind is Kind.LIVE: ...                   # broken
        match mode:                                 # broken
            case 1: ...
        """,
    ),
)


@pytest.mark.parametrize(
    ("check", "source"), PLANTED, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_law_sees_its_violation(check, source):
    lines = source.strip("\n").splitlines()
    margin = len(lines[0]) - len(lines[0].lstrip())
    text = "\n".join(line[margin:] for line in lines)
    marked = [number for number, line in enumerate(lines, 1) if line.endswith("# broken")]
    assert marked
    assert sorted(set(check(ast.parse(text)))) == marked


def test_every_law_has_a_planted_violation():
    assert {check for check, _ in PLANTED} == {law.check for law in LAWS}


# ---- laws about names and sizes ----


def shapeless_names(paths: Iterator[str] | list[str]) -> list[str]:
    """A module is called after what it holds, never after how the author felt."""
    shapeless = {"common", "helper", "helpers", "misc", "shared", "util", "utils"}
    return [path for path in paths if shapeless & set(Path(path).with_suffix("").parts)]


def test_no_module_has_a_shapeless_name():
    assert not shapeless_names(list(modules()))


def test_a_shapeless_name_is_seen():
    paths = ["risk/utils.py", "helpers/money.py", "risk/rules.py", "execution/broker.py"]
    assert shapeless_names(paths) == paths[:2]


def test_the_core_fits_on_a_few_screens():
    """Past 250 lines a stage is leaking into it."""
    core = SOURCE / "engine" / "core.py"
    lines = core.read_text(encoding="utf-8").splitlines() if core.exists() else []
    assert len(lines) <= 250


def test_the_contract_of_the_pages_names_them_all():
    """import-linter takes no module that does not exist; once `web` does, it must be named."""
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"evenkeel.web"' in settings or not (SOURCE / "web").exists()


# ---- laws about every file in the repository ----

# Written so that they do not match themselves.
MACHINE_PATH = re.compile(
    r"(?<![\w.:/~$}-])/(?:home|root|Users|work|opt|srv|mnt)/[\w.]|[A-Z]:\\Users\\"
)
REGISTRY = re.compile(
    r"(?:index-ur[l]|find-link[s]|trusted-hos[t])|https?://[^\s'\"]*/simple\b|file:///\w"
)


def addresses_of_one_machine(text: str) -> Iterator[int]:
    """Nothing in the repository knows where it was written or where its packages came from."""
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE_PATH.search(line) or REGISTRY.search(line):
            yield number


def tracked_files() -> list[Path]:
    """Every file git knows; in a copy without git, nothing."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_file_knows_a_machine_or_a_registry():
    found = []
    for path in tracked_files():
        if not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture, a Parquet file
        found += [f"{path.relative_to(ROOT)}:{line}" for line in addresses_of_one_machine(text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("cd /" + "home/ann/evenkeel", True),
        ("'/" + "root/x'", True),
        ("C:" + "\\Users\\ann", True),
        ("--index" + "-url https://example.org", True),
        ("https://example.org/" + "simple/", True),
        ("file:///" + "opt/wheels", True),
        ("~/" + "work/x and $HOME/" + "work/x", False),
        ("https://example.org/" + "home/x", False),
        ("a simple/sample file, engine/" + "opt/x", False),
    ],
)
def test_an_address_of_one_machine_is_seen(text, seen):
    assert bool([*addresses_of_one_machine(text)]) is seen


# ---- the type guards the door ----


@pytest.mark.skipif(not (SOURCE / "execution" / "broker.py").exists(), reason="no broker yet")
def test_a_broker_takes_an_approved_and_nothing_else():
    snippet = Path("tests") / "typing" / "broker_takes_approved_only.py"
    lines = (ROOT / snippet).read_text(encoding="utf-8").splitlines()
    marked = {
        (number, found.group(1))
        for number, line in enumerate(lines, 1)
        if (found := re.search(r"# error: ([a-z-]+)$", line))
    }
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--no-pretty", str(snippet)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    pattern = rf"^{re.escape(str(snippet))}:(\d+): error: .*\[([a-z-]+)\]$"
    reported = {
        (int(number), code)
        for number, code in re.findall(pattern, checked.stdout, flags=re.MULTILINE)
    }
    assert marked
    assert reported == marked, checked.stdout + checked.stderr
