"""The nouns. Frozen; they import the standard library and msgspec; every other room imports these and none of each other."""
