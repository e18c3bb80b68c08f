"""Research: many runs compared, and guests of other engines. Nothing here trades around the gate."""
