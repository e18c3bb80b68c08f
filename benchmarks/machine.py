"""What was measured, where and when: without it a number means nothing."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import evenkeel


def described() -> str:
    """Return date, versions and machine in one line."""
    load = "/".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; Evenkeel {evenkeel.__version__}, "
        f"Python {platform.python_version()}, numpy {np.__version__}; "
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()}; load at the start {load}"
    )


def _processor() -> str:
    """Return what the processor calls itself, where the system says so."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
