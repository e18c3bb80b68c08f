"""The quality firewall: what can be wrong with bars, as rules over whole columns. See `rules`."""
