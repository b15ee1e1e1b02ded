"""The Linux kernel as a peer: its SAs, policies and counters, and packets to and from it."""
