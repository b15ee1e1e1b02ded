"""The hashes of phase 1 and the pseudo-random functions made of them (RFC 2409 4, RFC 2104)."""

from __future__ import annotations

import hashlib
import hmac
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from conformance.crypto.block import xor
from conformance.crypto.tiger import tiger

if TYPE_CHECKING:
    from collections.abc import Callable

_BLOCK = 64
"""Octets that a hash without hashlib's own HMAC takes at once."""


class HashRow(NamedTuple):
    """What phase 1 must know of a hash; the digest size in octets."""

    name: str
    """As hashlib spells it, where it has it; as factors, records and the command line do."""
    ike_id: int
    """Hash algorithm of phase 1, RFC 2409 Appendix A."""
    digest_size: int
    digest: Callable[[bytes], bytes]
    hmac: Callable[[bytes, bytes], bytes]
    """(key, data) -> the whole HMAC."""


def _hashlib(name: str, ike_id: int, digest_size: int) -> HashRow:
    def digest(data: bytes) -> bytes:
        return hashlib.new(name, data, usedforsecurity=False).digest()

    return HashRow(
        name, ike_id, digest_size, digest, lambda key, data: hmac.digest(key, data, name)
    )


def _hmac(digest: Callable[[bytes], bytes], key: bytes, data: bytes) -> bytes:
    """H(K ^ opad, H(K ^ ipad, data)), RFC 2104 2."""
    padded = (digest(key) if len(key) > _BLOCK else key).ljust(_BLOCK, b"\x00")
    inner = digest(xor(padded, b"\x36" * _BLOCK) + data)
    return digest(xor(padded, b"\x5c" * _BLOCK) + inner)


# fmt: off
_ROWS = (
    #       name      ike  digest
    _hashlib("md5",      1,   16),
    _hashlib("sha1",     2,   20),
    HashRow("tiger",     3,   24, tiger, partial(_hmac, tiger)),
    _hashlib("sha256",   4,   32),
    _hashlib("sha384",   5,   48),
    _hashlib("sha512",   6,   64),
)
# fmt: on

HASHES = {row.name: row for row in _ROWS}
"""Every hash of phase 1 by its name."""


def digest(hash_name: str, data: bytes) -> bytes:
    """hash(data) with the negotiated hash; raises KeyError for an unknown name."""
    return HASHES[hash_name].digest(data)


def prf(hash_name: str, key: bytes, data: bytes) -> bytes:
    """The HMAC version of the negotiated hash, keyed with key (RFC 2409 4).

    Raises KeyError for an unknown name.
    """
    return HASHES[hash_name].hmac(key, data)
