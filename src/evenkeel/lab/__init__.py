"""Research: many runs compared, and strategies of other engines as guests. Nothing here trades."""
