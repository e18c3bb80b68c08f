"""What a run says afterwards: read from its journal and its bars, never from its objects."""
