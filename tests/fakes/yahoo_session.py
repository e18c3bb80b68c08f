"""A real session of requests whose https goes to a stand-in on loopback, without TLS."""

from pathlib import Path
from urllib.parse import urlsplit

import requests
import yfinance
from requests.adapters import HTTPAdapter
from yfinance.data import YfData


class ToLoopback(HTTPAdapter):
    """Sends every request to one port, with the host it was meant for in X-Orig-Host."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def send(self, request, *args, **options):
        parts = urlsplit(request.url)
        request.headers["X-Orig-Host"] = parts.netloc
        query = f"?{parts.query}" if parts.query else ""
        request.url = f"http://127.0.0.1:{self._port}{parts.path}{query}"
        return super().send(request, *args, **options)


def session_to(port: int) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", ToLoopback(port))
    return session


def fresh_yfinance(folder: Path) -> None:
    """Let yfinance forget what the process has asked before, and keep its files in a folder."""
    yfinance.set_tz_cache_location(str(folder))
    yfinance.cache._TzCacheManager._tz_cache = None
    yfinance.cache._CookieCacheManager._Cookie_cache = None
    data = YfData()
    data.cache_get.cache_clear()
    data._cookie = data._crumb = None
    data._cookie_strategy = "basic"
