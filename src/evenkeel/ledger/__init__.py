"""fill -> postings -> portfolio. Every leg has its other leg, and every sum is exact."""
