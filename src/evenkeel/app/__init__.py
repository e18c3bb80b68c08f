"""Composition only: which feed brings bars, which broker answers, which journal remembers."""
