"""The nouns. Frozen, standard library only; every other room imports these and none of each other."""
