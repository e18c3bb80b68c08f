"""An environment per engine, made once below `.venv-peers/`: their needs contradict each other."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENTS = ROOT / ".venv-peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """An engine, the script that runs it, and what its environment holds; nothing: our own."""

    name: str
    script: str
    needs: tuple[str, ...] = ()

    def python(self) -> str:
        """Return the Python that runs this engine."""
        if not self.needs:
            return sys.executable
        return str(ENVIRONMENTS / self.name / "bin" / "python")

    def command(self) -> list[str]:
        """Return what runs the engine's script."""
        if not self.needs:
            return [self.python(), "-m", f"benchmarks.peers.{self.script}"]
        return [self.python(), str(Path(__file__).with_name(f"{self.script}.py"))]


OURS = Peer("evenkeel", "with_evenkeel")
PEERS = (
    OURS,
    Peer("vectorbt", "with_vectorbt", ("vectorbt==1.2.0", "numpy==2.4.6", "pandas==3.1.1")),
    Peer("backtesting.py", "with_backtesting", ("backtesting==0.6.6", "pandas==3.1.1")),
    Peer("bt", "with_bt", ("bt==1.4.1", "numpy==2.4.6", "pandas==3.1.1")),
    Peer("lib-pybroker", "with_pybroker", ("lib-pybroker==2.0.2", "pandas==3.1.1")),
    Peer("backtrader", "with_backtrader", ("backtrader==1.9.78.123", "pandas==3.1.1")),
    # Later versions want a newer Python than 3.11, our oldest.
    Peer("nautilus_trader", "with_nautilus", ("nautilus_trader==1.221.0", "pandas==2.3.3")),
    Peer("zipline-reloaded", "with_zipline", ("zipline-reloaded==3.2.1", "pandas==2.3.3")),
)


def install(peer: Peer) -> str:
    """Make a peer's environment where there is none; return why it cannot be had, or nothing."""
    folder = ENVIRONMENTS / peer.name
    made = folder / "made"
    wanted = " ".join(peer.needs)
    if not peer.needs or (made.exists() and made.read_text() == wanted):
        return ""
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [peer.python(), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    got = subprocess.run([*pip, *peer.needs], check=False, capture_output=True, text=True)
    if got.returncode:
        errors = [line for line in got.stderr.splitlines() if line.startswith("ERROR")]
        return (errors or ["pip failed"])[-1].removeprefix("ERROR: ")
    made.write_text(wanted)
    return ""
