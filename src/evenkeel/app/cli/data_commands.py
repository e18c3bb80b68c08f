"""`evenkeel data …`: every command by its name, arguments and help."""

# ruff: noqa: D301  a line of \b alone tells click to leave the lines below it as they stand

from typing import Annotated

import typer

from evenkeel.app.cli.options import AsJson, FirstDay, LastDay, Stamp
from evenkeel.app.cli.shown import show

data_app = typer.Typer(help="Market data: fill, check and keep the catalog.", rich_markup_mode=None)

Dataset = Annotated[str, typer.Option("--dataset", metavar="NAME", help="The data set; else main.")]
Interval = Annotated[
    str, typer.Option("--interval", metavar="1m|1h|1d|…", help="How long a bar lasts; else any.")
]
View = Annotated[
    str, typer.Option("--view", metavar="VIEW", help="as-traded, split or split-dividend.")
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="Adjust for what was known on that day."),
]
KnownAt = Annotated[
    str | None,
    typer.Option(
        "--known-at", metavar="DATE", help="Bars as they had been seen by then, restated or not."
    ),
]


@data_app.command("sync")
def data_sync(
    instruments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID…]", help="Such as AAPL.XNAS; else all that are there."),
    ] = None,
    *,
    universe: Annotated[
        str, typer.Option("--universe", metavar="FILE", help="A file of ids, one a line.")
    ] = "",
    provider: Annotated[
        str,
        typer.Option("--provider", metavar="NAME[,NAME…]", help="Whom to ask, in this order."),
    ] = "yahoo",
    interval: Annotated[
        str, typer.Option("--interval", metavar="1m|1h|1d|…", help="How long a bar lasts.")
    ] = "1d",
    dataset: Dataset = "main",
    since: Annotated[
        str, typer.Option("--since", metavar="DATE", help="The first day that is wanted.")
    ] = "2000-01-01",
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", help="Requests under way at once.")
    ] = 4,
    as_json: AsJson = False,
) -> int:
    """Ask providers for what the catalog does not have yet, and judge what came.

    A second sync asks nobody, and one that was stopped goes on where it was. Prices are kept as traded. Exit code 3 when something could not be had.

    \b
    Examples:
      evenkeel data sync AAPL.XNAS MSFT.XNAS --since 2015-01-01
      evenkeel data sync --universe sp500.txt --provider yahoo,alpha_vantage
    """
    from evenkeel.app.cli.brought import Asked, sync_answer

    asked = Asked(
        instruments=instruments or [],
        universe=universe,
        providers=provider,
        interval=interval,
        dataset=dataset,
        since=since,
        workers=workers,
    )
    return show(sync_answer(asked), as_json=as_json)


@data_app.command("import")
def data_import(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH…", help="CSV, Parquet, .gz, .zip, or folders.")
    ],
    *,
    market: Annotated[
        str, typer.Option("--market", metavar="MIC", help="Of symbols, such as XNYS; else none.")
    ] = "",
    instrument: Annotated[
        str, typer.Option("--instrument", metavar="ID", help="What the file holds, or one of it.")
    ] = "",
    interval: Interval = "",
    dataset: Dataset = "main",
    adjustment: Annotated[
        str,
        typer.Option("--adjustment", metavar="WORD", help="as-traded, split, or auto (default)."),
    ] = "auto",
    stamp: Stamp = "start",
    as_json: AsJson = False,
) -> int:
    """Take files into the catalog; what is no row is set aside and told, never lost.

    Splits and dividends that stand beside the prices are listed too. Importing a file again changes nothing.

    \b
    Examples:
      evenkeel data import AAPL.csv --instrument AAPL.XNAS
      evenkeel data import eod/ --market XNYS --dataset us-eod
    """
    from evenkeel.app.cli.stocked import Asked, import_answer

    asked = Asked(
        paths=paths,
        market=market,
        instrument=instrument,
        interval=interval,
        dataset=dataset,
        adjustment=adjustment,
        stamp=stamp,
    )
    return show(import_answer(asked), as_json=as_json)


@data_app.command("list")
def data_list(*, as_json: AsJson = False) -> int:
    """List what the catalog holds, by data set and interval.

    \b
    Example:
      evenkeel data list --json
    """
    from evenkeel.app.cli.stocked import list_answer

    return show(list_answer(), as_json=as_json)


@data_app.command("show")
def data_show(
    instrument: Annotated[str, typer.Argument(metavar="ID", help="Such as AAPL.XNAS.")],
    *,
    interval: Interval = "",
    dataset: Dataset = "main",
    start: FirstDay = None,
    end: LastDay = None,
    view: View = "as-traded",
    as_of: AsOf = None,
    known_at: KnownAt = None,
    as_json: AsJson = False,
) -> int:
    """Show an instrument's last bars, where they come from, its actions and what is odd.

    \b
    Example:
      evenkeel data show AAPL.XNAS --view split --as-of 2014-06-01
      evenkeel data show AAPL.XNAS --known-at 2024-01-31T21:00Z
    """
    from evenkeel.app.cli.stocked import Shown, show_answer

    asked = Shown(
        instrument=instrument,
        interval=interval,
        dataset=dataset,
        start=start,
        end=end,
        view=view,
        as_of=as_of,
        known_at=known_at,
    )
    return show(show_answer(asked), as_json=as_json)


@data_app.command("check")
def data_check(
    instruments: Annotated[
        list[str] | None, typer.Argument(metavar="[ID…]", help="Some instruments; else all.")
    ] = None,
    *,
    dataset: Annotated[
        str, typer.Option("--dataset", metavar="NAME", help="One data set; else all.")
    ] = "",
    interval: Interval = "",
    against: Annotated[
        str,
        typer.Option("--against", metavar="NAME", help="A data set that tells the same bars."),
    ] = "",
    out: Annotated[
        str, typer.Option("--out", metavar="DIR", help="Where check.json and check.html go.")
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Judge the bars of the catalog by every rule, and put what is wrong into quarantine.

    Prints a score for each instrument and writes a page with pictures of the worst cases. Exit code 1 while an error is open.

    \b
    Examples:
      evenkeel data check
      evenkeel data check AAPL.XNAS --against other-feed --out report
    """
    from evenkeel.app.cli.judged import Asked, check_answer

    asked = Asked(
        instruments=instruments or [],
        dataset=dataset,
        interval=interval,
        against=against,
        out=out,
    )
    return show(check_answer(asked), as_json=as_json)


@data_app.command("repair")
def data_repair(
    finding: Annotated[
        str, typer.Argument(metavar="FINDING", help="Its name in `evenkeel data check`.")
    ],
    *,
    accept: Annotated[
        bool, typer.Option("--accept", help="The bars are true: free them from quarantine.")
    ] = False,
    factor: Annotated[
        str | None,
        typer.Option("--factor", metavar="NUMBER", help="Multiply the bars' prices by this."),
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it is written down.")
    ] = "",
    by: Annotated[
        str, typer.Option("--by", metavar="NAME", help="Who decides; else who is logged in.")
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Decide about a finding: accept it as true, or repair its bars. Who and why is kept for ever.

    The values before a repair stay in the catalog beside the new ones.

    \b
    Examples:
      evenkeel data repair 3f0c9a51d2 --accept --reason "a true crash"
      evenkeel data repair 91ab04c7ee --factor 100 --reason "pounds, not pence"
    """
    from evenkeel.app.cli.judged import Wish, repair_answer

    wish = Wish(finding=finding, accept=accept, factor=factor, reason=reason, by=by)
    return show(repair_answer(wish), as_json=as_json)


@data_app.command("budget")
def data_budget(*, as_json: AsJson = False) -> int:
    """Show how many requests each provider may still be sent.

    Counted on disk, over all processes and restarts; a provider that said "enough" gets none until its day is over.

    \b
    Example:
      evenkeel data budget --json
    """
    from evenkeel.app.cli.asking import budget_answer

    return show(budget_answer(), as_json=as_json)


@data_app.command("cache")
def data_cache(*, as_json: AsJson = False) -> int:
    """Show how often answers came from the cache.

    Kept in Redis where providers.redis names one, else in each process for itself.

    \b
    Example:
      evenkeel data cache --json
    """
    from evenkeel.app.cli.asking import cache_answer

    return show(cache_answer(), as_json=as_json)


@data_app.command("archive")
def data_archive(
    target: Annotated[str, typer.Argument(metavar="FILE.zip", help="A new file.")],
    *,
    as_json: AsJson = False,
) -> int:
    """Write the whole catalog into one file, each part of it with its hash.

    \b
    Example:
      evenkeel data archive catalog-2026.zip
    """
    from evenkeel.app.cli.carried import archive_answer

    return show(archive_answer(target), as_json=as_json)


@data_app.command("restore")
def data_restore(
    source: Annotated[str, typer.Argument(metavar="FILE.zip", help="An archive.")],
    *,
    as_json: AsJson = False,
) -> int:
    """Bring an archive's bars back: into an empty catalog, or where one is damaged.

    Every file is verified before anything is touched; what is in both is there once.

    \b
    Example:
      evenkeel data restore catalog-2026.zip
    """
    from evenkeel.app.cli.carried import restore_answer

    return show(restore_answer(source), as_json=as_json)


@data_app.command("export")
def data_export(
    instruments: Annotated[list[str], typer.Argument(metavar="ID…", help="Such as AAPL.XNAS.")],
    *,
    out: Annotated[
        str,
        typer.Option("--out", metavar="FILE", help="A .csv or .parquet file, with all of them."),
    ],
    interval: Interval = "",
    dataset: Dataset = "main",
    start: FirstDay = None,
    end: LastDay = None,
    view: View = "as-traded",
    as_of: AsOf = None,
    known_at: KnownAt = None,
    as_json: AsJson = False,
) -> int:
    """Write bars into a file that anybody can read: symbol, time, prices, volume.

    Times are when bars closed, in UTC.

    \b
    Example:
      evenkeel data export AAPL.XNAS MSFT.XNAS --view split --out prices.csv
    """
    from evenkeel.app.cli.carried import export_answer
    from evenkeel.app.cli.stocked import Shown

    asked = [
        Shown(
            instrument=each,
            interval=interval,
            dataset=dataset,
            start=start,
            end=end,
            view=view,
            as_of=as_of,
            known_at=known_at,
        )
        for each in instruments
    ]
    return show(export_answer(asked, out), as_json=as_json)
