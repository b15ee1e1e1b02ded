"""Truncated HMACs that protect ESP and AH packets, one row each (RFC 2403, RFC 2404, RFC 4868)."""

from __future__ import annotations

import hmac
from typing import NamedTuple


class MacRow(NamedTuple):
    """What a layer must know of an integrity algorithm; sizes in octets."""

    name: str
    """The name used in factors, records and on the command line."""
    attribute_id: int
    """Authentication algorithm attribute of phase 2, RFC 2407 4.5."""
    hash_name: str
    """The underlying hash as hashlib spells it."""
    key_size: int
    icv_size: int


# fmt: off
_ROWS = (
    #      name      id  hash      key  icv
    MacRow("md5",     1, "md5",     16,  12),
    MacRow("sha1",    2, "sha1",    20,  12),
    MacRow("sha256",  5, "sha256",  32,  16),
)
# fmt: on

MACS = {row.name: row for row in _ROWS}
"""Every integrity algorithm by its name."""


def compute_icv(name: str, key: bytes, data: bytes) -> bytes:
    """The ICV over data, icv_size octets long; raises KeyError for an unknown name."""
    row = MACS[name]
    return hmac.digest(key, data, row.hash_name)[: row.icv_size]


def verify_icv(name: str, key: bytes, data: bytes, icv: bytes) -> bool:
    """Whether icv is the one over data, compared in constant time."""
    return hmac.compare_digest(compute_icv(name, key, data), icv)
