"""`evenkeel data budget` and `evenkeel data cache`: how providers are asked, and how often not."""

from __future__ import annotations

from contextlib import closing

from evenkeel.app.cli.shown import Answer, pairs, table
from evenkeel.app.providers import budget, cache
from evenkeel.market.cache import RedisCache
from evenkeel.ops.settings import load_settings
from evenkeel.reports.text import iso


def budget_answer() -> Answer:
    """Return where every allowance stands."""
    settings = load_settings()
    with closing(budget(settings)) as counts:
        spent = counts.spent()
    body = [
        {
            "provider": each.provider,
            "allowance": str(each.allowance),
            "used": each.used,
            "left": each.left,
            "free_at": None if each.left else iso(each.free_at),
            "blocked": each.blocked or None,
        }
        for each in spent
    ]
    rows = [
        (each["provider"], each["allowance"], each["used"], each["left"], each["free_at"] or "now")
        for each in body
    ]
    lines = table(("provider", "at most", "used", "left", "next"), rows, right="used left")
    lines += [f"{each['provider']}: {each['blocked']}" for each in body if each["blocked"]]
    return Answer({"budgets": body}, [*lines, "", f"Counted in {settings.providers.requests}."])


def cache_answer() -> Answer:
    """Return how the cache does; exit code 1 when the Redis that was named is away."""
    settings = load_settings()
    kept = cache(settings)
    standing = kept.standing()
    if isinstance(kept, RedisCache):
        kept.close()
    rate = standing.hit_rate
    body = {
        "where": standing.where,
        "reachable": standing.reachable,
        "entries": standing.entries,
        "hits": standing.hits,
        "misses": standing.misses,
        "hit_rate": rate,
    }
    if not settings.providers.redis:
        said = "each process keeps its own; its metrics have evenkeel_cache_questions_total"
        return Answer(body, ["The cache is in process.", "", f"Nothing is shared: {said}."])
    if not standing.reachable:
        said = "answers are kept in process until it is back"
        return Answer(body, [f"{standing.where} is away: {said}."], exit_code=1)
    facts = [
        ("redis", standing.where),
        ("entries", standing.entries),
        ("hits", standing.hits),
        ("misses", standing.misses),
        ("hit rate", "—" if rate is None else f"{rate:.1%}"),
    ]
    return Answer(body, pairs(facts))
