"""Prices come in here, are held to their laws, and leave as read-only columns or not at all."""
