"""The runnable reference peer: sockets, clock and control around the sans-IO core, nothing else."""
