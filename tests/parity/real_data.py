"""Ten real data sets, each cut to what a bar-by-bar replay can go through in a test."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from evenkeel.domain.bar import Bars
from evenkeel.market.csv_files import read_bars

DOW = "daily/djia31_1d_2006_2017.parquet"
SP500 = "daily/sp500_yahoo_1d_2015_2020.parquet"
OLD_YAHOO = "corporate_actions/old_yahoo_raw_plus_adj"
NEW_YAHOO = "corporate_actions/yahoo_split_adjusted"


@dataclass(frozen=True)
class RealData:
    """A file (or several) below the folder of real data, and the part of it that is used."""

    file: str | tuple[str, ...]
    instruments: str | tuple[str, ...] | None = None
    between: tuple[str, str] | None = None

    def read(self, folder: Path, bars_max: int) -> list[Bars]:
        """Read at most `bars_max` bars of each instrument."""
        files = [self.file] if isinstance(self.file, str) else list(self.file)
        named = self.instruments
        options: dict[str, Any] = {
            "instrument": list(named) if isinstance(named, tuple) else named,
            "start": self.between and self.between[0],
            "end": self.between and self.between[1],
        }
        histories = read_bars([str(folder / file) for file in files], **options)
        return [_on_its_own_memory(each.first(bars_max)) for each in histories]


def _on_its_own_memory(bars: Bars) -> Bars:
    """Let the rest of the file go: a view would hold on to all of it."""
    names = ("closed_at", "open", "high", "low", "close", "volume")
    return replace(bars, **{name: np.ascontiguousarray(getattr(bars, name)) for name in names})


SETS = {
    "aapl-daily": RealData(f"{OLD_YAHOO}/AAPL_2000_2013.csv", "AAPL.XNAS"),
    "msft-daily": RealData(f"{OLD_YAHOO}/MSFT_2000_2013.csv", "MSFT.XNAS"),
    "orcl-daily": RealData(f"{NEW_YAHOO}/orcl_1995_2014.csv"),
    "nvda-daily": RealData(f"{NEW_YAHOO}/nvda_1999_2014.csv"),
    "two-files": RealData(
        (f"{OLD_YAHOO}/AAPL_2000_2013.csv", f"{OLD_YAHOO}/MSFT_2000_2013.csv"),
        ("AAPL.XNAS", "MSFT.XNAS"),
    ),
    "sp500-three": RealData(SP500, ("SNA.XNYS", "UTX.XNYS", "SLB.XNYS")),
    "djia-five": RealData(
        DOW,
        ("IBM.XNYS", "JPM.XNYS", "CAT.XNYS", "WMT.XNYS", "KO.XNYS"),
        ("2013-01-02", "2016-12-30"),
    ),
    "eurusd-hourly": RealData("fx/eurusd_1h_backtesting_py.csv"),
    "us-minutes": RealData(
        "minute/us_equity_1m_lean.parquet", "SPY.ARCX", ("2013-10-07", "2013-10-11")
    ),
    "btc-minutes": RealData(
        "minute/btcusd_bitfinex_1m_2017_2018.parquet", None, ("2017-12-17", "2017-12-18")
    ),
}
