"""record -> disk, in order. What is written is never changed, and every record vouches for the last."""
