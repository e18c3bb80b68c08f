"""Bars become wishes here. A strategy reads what has happened and asks; it never sends."""
