"""What several commands ask in the same words: each argument and option is explained once."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

# ---- what is run, on what ----

StrategyPath = Annotated[
    str, typer.Argument(metavar="STRATEGY", help="path.py:Class or package.module:Class.")
]
Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="evenkeel|backtrader",
        help="Whose strategy it is; gate, venue and ledger are always ours.",
    ),
]
Data = Annotated[
    str, typer.Option("--data", metavar="PATH[,PATH…]", help="CSV, Parquet, or catalog: .")
]
Instruments = Annotated[
    str | None,
    typer.Option(
        "--instrument",
        metavar="ID[,ID…]",
        help="Such as AAPL.XNAS or VOD.XLON:currency=GBP, one per file.",
    ),
]
FirstDay = Annotated[
    str | None, typer.Option("--start", metavar="DATE", help="First day, inclusive.")
]
LastDay = Annotated[str | None, typer.Option("--end", metavar="DATE", help="Last day, inclusive.")]
Stamp = Annotated[
    str,
    typer.Option(
        "--stamp", metavar="start|end", help="Intraday times are each bar's start or its end."
    ),
]
Actions = Annotated[
    str | None,
    typer.Option(
        "--actions", metavar="FILE", help="Splits, dividends, mergers, delistings … (CSV)."
    ),
]

# ---- what trading costs ----

Cash = Annotated[
    str | None, typer.Option("--cash", metavar="AMOUNT", help="To begin with; else 100000.")
]
Costs = Annotated[
    str | None,
    typer.Option(
        "--costs",
        metavar="MODEL",
        help="zero, bps:N, per-share:N, per-order:N, ibkr-tiered or ibkr-fixed (default).",
    ),
]
Slippage = Annotated[
    str | None,
    typer.Option(
        "--slippage",
        metavar="MODEL",
        help="none, bps:N, ticks:N, half-spread:N, corwin-schultz, roll, volume-share:N, sqrt:N, "
        "almgren-chriss, random:N, latency:N; several joined by + (default: bps:1).",
    ),
]
