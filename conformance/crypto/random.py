"""Sources of random octets, passed to whatever needs them so that an exchange can be replayed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

RandomSource = Callable[[int], bytes]
"""Takes a count and returns that many octets."""

system_random: RandomSource = os.urandom
"""The operating system's source, for real keys."""


_BLOCK = 32
"""Octets of a SHA-256 hash."""


def seeded_random(seed: bytes | str | int) -> RandomSource:
    """A source that gives the same octets for the same seed: SHA-256 over seed and a counter.

    For repeatable runs and vectors only; whoever knows the seed knows the keys.
    """
    root = hashlib.sha256(repr(seed).encode()).digest()
    counter = 0

    def read(count: int) -> bytes:
        nonlocal counter
        first, counter = counter, counter - (-count // _BLOCK)
        blocks = [hashlib.sha256(root + n.to_bytes(8)).digest() for n in range(first, counter)]
        return b"".join(blocks)[:count]

    return read
