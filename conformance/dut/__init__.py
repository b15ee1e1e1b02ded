"""A device out there as a peer: its file, what to paste into it, and the run against it."""
