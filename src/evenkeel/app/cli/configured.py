"""`evenkeel show-config`: what holds here, and who said so."""

from __future__ import annotations

from evenkeel.app.cli.shown import Answer, table
from evenkeel.ops.redact import without_password
from evenkeel.ops.settings import FILES, PREFIX, SECTIONS, load_settings


def answer(profile: str | None = None) -> Answer:
    """Return every setting with its value and source."""
    settings = load_settings(profile=profile)
    shown = {
        f"{section}.{each}": without_password(str(getattr(getattr(settings, section), each)))
        for section, kind in SECTIONS.items()
        for each in kind.__struct_fields__
    }
    body = {key: {"value": value, "source": settings.sources[key]} for key, value in shown.items()}
    rows = [(key, value, settings.sources[key]) for key, value in shown.items()]
    how = f"Change one in {FILES[0]}, or with {PREFIX}SECTION__KEY=value in the environment."
    return Answer({"settings": body}, [*table(("setting", "value", "from"), rows), "", how])
