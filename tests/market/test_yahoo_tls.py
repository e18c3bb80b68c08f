"""Yahoo end to end: genuine addresses, TLS, a browser's handshake, cookie and crumb.

Only the ends of the wires are ours: a proxy on loopback leads every tunnel to a stand-in whose
certificate we made.
"""

import pytest
from curl_cffi import requests
from tests.contracts.provider_world import ACME, NOW, ns
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import Loopback, Reply
from tests.fakes.tunnel import Tunnel, certificate
from tests.fakes.yahoo_server import yahoo
from tests.fakes.yahoo_session import fresh_yfinance

from evenkeel.market.budget import Budget
from evenkeel.market.manners import Manners
from evenkeel.market.provider import Failure, ProviderError
from evenkeel.market.yahoo import Yahoo


def test_the_real_client_over_tls(tmp_path):
    fresh_yfinance(tmp_path)
    trusted, context = certificate(tmp_path, "*.yahoo.com", "*.finance.yahoo.com")
    clock = FakeClock(NOW)
    budget = Budget(tmp_path / "budget.db", clock, {})
    with Loopback(yahoo, tls=context) as server, Tunnel(server.port) as tunnel:
        session = requests.Session(
            impersonate="chrome",
            verify=str(trusted),
            proxies={"http": tunnel.url, "https": tunnel.url},
            trust_env=False,
        )
        provider = Yahoo(Manners("yahoo", budget, clock), clock, session=session)
        answer = provider.bars(ACME, "1d", ns("2024-01-01"), ns("2024-02-01"))
        assert len(answer.value) == 19
        assert {host.partition(":")[0] for host in tunnel.hosts} == {
            "fc.yahoo.com",
            "query1.finance.yahoo.com",
            "query2.finance.yahoo.com",
        }
        assert {each.host for each in server.log} == {
            host.partition(":")[0] for host in tunnel.hosts
        }
        assert server.log[-1].query["crumb"] == "a-crumb"
        limited = Reply("", 429, {"Retry-After": "3"})
        server.answer = lambda asked: limited if "/chart/" in asked.path else yahoo(asked)
        with pytest.raises(ProviderError) as caught:
            provider.bars(ACME, "1d", ns("2024-01-01"), ns("2024-02-01"))
        assert (caught.value.kind, caught.value.retry_after) == (Failure.RATE_LIMITED, 3)
        provider.close()
        budget.close()
