"""Secrets at rest: encrypted, bound to their names, and never read without a record of it."""
