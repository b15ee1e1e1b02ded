"""The hashes of phase 1 and the pseudo-random functions made of them (RFC 2409 4, RFC 2104)."""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple


class HashRow(NamedTuple):
    """What phase 1 must know of a hash; the digest size in octets."""

    name: str
    """As hashlib spells it, and as factors, records and the command line do."""
    ike_id: int
    """Hash algorithm of phase 1, RFC 2409 Appendix A."""
    digest_size: int


# fmt: off
_ROWS = (
    #       name      ike  digest
    HashRow("md5",      1,     16),
    HashRow("sha1",     2,     20),
    HashRow("sha256",   4,     32),
)
# fmt: on

HASHES = {row.name: row for row in _ROWS}
"""Every hash of phase 1 by its name."""


def digest(hash_name: str, data: bytes) -> bytes:
    """hash(data) with the negotiated hash; raises KeyError for an unknown name."""
    return hashlib.new(HASHES[hash_name].name, data, usedforsecurity=False).digest()


def prf(hash_name: str, key: bytes, data: bytes) -> bytes:
    """The HMAC version of the negotiated hash, keyed with key (RFC 2409 4).

    Raises KeyError for an unknown name.
    """
    return hmac.digest(key, data, HASHES[hash_name].name)
