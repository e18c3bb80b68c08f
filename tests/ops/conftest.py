"""What tests of this room share: a log that is read back, and leaves no trace."""

import io
import json
import logging as standard

import pytest

from evenkeel.ops import logging


@pytest.fixture
def begin():
    """Begin logging as a test wants it; afterwards nothing of it is left."""
    root = standard.getLogger(logging.ROOT)
    before = dict(standard.root.manager.loggerDict)
    yield logging.begin
    logging.end()
    root.setLevel(standard.NOTSET)
    for name, logger in standard.root.manager.loggerDict.items():
        if name.startswith(f"{logging.ROOT}.") and isinstance(logger, standard.Logger):
            logger.setLevel(standard.NOTSET)
    assert set(before) <= set(standard.root.manager.loggerDict)


@pytest.fixture
def events(begin):
    """Every event from now on, as objects."""
    stream = io.StringIO()
    begin(levels="debug", stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
