"""What a run is told from outside: the clock, settings and bot files."""
