"""`--out DIR`: the report and every table, all of them or none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.domain.errors import OutsideError

if TYPE_CHECKING:
    from evenkeel.reports.result import Result


def write_output(result: Result, out: Path) -> None:
    """Write into a folder beside `out`, then move what is whole into place.

    Files of other names in `out` stay. `OutsideError` when the disk does not take it.
    """
    out = out.resolve()  # `.` has no name to put a sibling's beside
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        unfinished.mkdir(parents=True)
        try:
            result.write_tables(unfinished)
            result.report(unfinished / "report.html")
            out.mkdir(parents=True, exist_ok=True)
            for file in unfinished.iterdir():
                file.replace(out / file.name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise OutsideError(
            f"cannot write to {out}: {error.strerror}; choose another folder with --out"
        ) from error
