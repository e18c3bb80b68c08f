"""Examples, one idea each: read one, copy it, change it."""
