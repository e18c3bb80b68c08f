"""Approved -> fills. A venue takes what the gate approved, and says what became of it."""
