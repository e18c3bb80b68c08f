"""Order in, Approved or Refused out. What cannot be computed is refused."""
