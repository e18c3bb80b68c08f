"""The numbers of docs/benchmarks.md, each a ratio to a reference taken in the same run."""
