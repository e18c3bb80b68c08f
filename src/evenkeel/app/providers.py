"""Who is asked for prices: providers by their names, with manners, a memory and an order."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from evenkeel.domain.errors import ConfigError
from evenkeel.market.budget import DAY_SECONDS, Allowance, Budget
from evenkeel.market.cache import MemoryCache, RedisCache
from evenkeel.market.cached import Cached
from evenkeel.market.failover import SWITCH_SECONDS, Failover
from evenkeel.market.manners import Manners
from evenkeel.ops.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from evenkeel.market.alpha_vantage import AlphaVantage
    from evenkeel.market.cache import Cache
    from evenkeel.market.provider import Provider
    from evenkeel.market.yahoo import Yahoo
    from evenkeel.ops.clock import Clock
    from evenkeel.ops.settings import Settings

KEY = "alpha_vantage.key"
"""What the vault calls the key of Alpha Vantage."""

ALONE_SECONDS = 10.0
"""How long a provider is waited for when there is no other."""

ALONE_PATIENCE = 60.0
"""How long one that asks to be left alone is waited for when there is no other."""


def allowances(settings: Settings) -> dict[str, tuple[Allowance, ...]]:
    """Return what the settings allow each provider to be sent."""
    wanted = settings.providers
    per_day = wanted.alpha_vantage_per_day
    return {
        "alpha_vantage": (
            *((Allowance(per_day, DAY_SECONDS),) if per_day else ()),
            Allowance(wanted.alpha_vantage_per_second, 1),
        ),
        "yahoo": (Allowance(wanted.yahoo_per_second, 1),),
    }


def budget(settings: Settings, clock: Clock = SYSTEM_CLOCK) -> Budget:
    """Return the counts of this installation; who opens it closes it."""
    return Budget(settings.providers.requests, clock, allowances(settings))


def cache(settings: Settings, clock: Clock = SYSTEM_CLOCK) -> Cache:
    """Return the cache that the settings name; one in Redis is closed by who opens it."""
    if settings.providers.redis:
        return RedisCache(settings.providers.redis, clock)
    return MemoryCache(clock)


@contextmanager
def providers(
    names: Sequence[str],
    settings: Settings,
    *,
    files: Mapping[str, Path] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[Provider]:
    """Open providers in their order, as one; `files` are those of the provider `files`.

    Raises `ConfigError` for one that lacks its key or its extra.
    """
    with ExitStack() as stack:
        counts = stack.enter_context(closing(budget(settings, clock)))
        kept = cache(settings, clock)
        if isinstance(kept, RedisCache):
            stack.callback(kept.close)
        alone = len(names) == 1

        def manners(name: str) -> Manners:
            patience = ALONE_PATIENCE if alone else SWITCH_SECONDS
            return Manners(name, counts, clock, patience=patience)

        timeout = ALONE_SECONDS if alone else SWITCH_SECONDS
        chain: list[Provider] = []
        for name in names:
            if name == "files":
                from evenkeel.market.file_provider import FileProvider

                chain.append(FileProvider(files or {}, clock=clock))
                continue
            one = stack.enter_context(
                closing(_opened(name, settings, manners(name), clock, timeout))
            )
            chain.append(Cached(one, kept, clock))
        yield Failover(chain)


def _opened(
    name: str, settings: Settings, manners: Manners, clock: Clock, timeout: float
) -> Yahoo | AlphaVantage:
    if name == "yahoo":
        from evenkeel.market.yahoo import Yahoo  # brings yfinance in

        return Yahoo(manners, clock, timeout=timeout)
    from evenkeel.app.vault import open_vault
    from evenkeel.market.alpha_vantage import AlphaVantage  # brings httpx in

    assert name == "alpha_vantage", name  # the bot's file knows the names
    vault = open_vault(settings)
    if KEY not in vault:
        raise ConfigError(
            f"Alpha Vantage needs a key: keep yours with `evenkeel secrets set {KEY}`"
        )
    return AlphaVantage(
        vault.get(KEY).reveal,
        manners,
        clock,
        base_url=settings.providers.alpha_vantage_url,
        timeout=timeout,
        premium=settings.providers.alpha_vantage_premium,
    )
