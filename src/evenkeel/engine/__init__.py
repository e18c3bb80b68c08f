"""One event in, everything it causes out; written down first, then done."""
