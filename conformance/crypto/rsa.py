"""RSA encryption of nonces and identities, PKCS #1 v1.5 (RFC 2409 5.2, RFC 8017 7.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gmpy2
from cryptography.hazmat.primitives.asymmetric import padding, rsa

if TYPE_CHECKING:
    from conformance.crypto.asymmetric import PrivateKey, PublicKey
    from conformance.crypto.random import RandomSource

_OVERHEAD = 11


def is_rsa(key: PrivateKey | PublicKey) -> bool:
    """Whether the key can be used here."""
    return isinstance(key.key, (rsa.RSAPrivateKey, rsa.RSAPublicKey))


def capacity(key: PublicKey) -> int:
    """The most octets that can be encrypted to a key."""
    size: int = (key.key.key_size + 7) // 8
    return size - _OVERHEAD


def encrypt(key: PublicKey, data: bytes, random: RandomSource) -> bytes:
    """Block type 2 with padding from the injected source: the library draws its own.

    Raises ValueError where the data exceed the key's capacity.
    """
    numbers, room = key.key.public_numbers(), capacity(key) - len(data)
    if room < 0:
        raise ValueError(f"{len(data)} octets exceed the key's {capacity(key)}")
    filling = b""
    while len(filling) < room + 8:
        filling += random(room + 8).replace(b"\0", b"")
    block = b"\0\2" + filling[: room + 8] + b"\0" + data
    return int(gmpy2.powmod(int.from_bytes(block), numbers.e, numbers.n)).to_bytes(len(block))


def decrypt(key: PrivateKey, data: bytes) -> bytes:
    """What was encrypted; for a wrong padding other octets that do not tell it (RFC 8017 7.2.2).

    Such implicit rejection is the library's. Raises ValueError for a wrong length.
    """
    plain: bytes = key.key.decrypt(data, padding.PKCS1v15())
    return plain
