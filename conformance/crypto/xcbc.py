"""AES-XCBC-MAC, a CBC-MAC for messages of any length (RFC 3566 4)."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from conformance.crypto.block import xor

_BLOCK = 16


def _encrypt(key: bytes, data: bytes) -> bytes:
    encryptor = Cipher(AES(key), modes.CBC(bytes(_BLOCK))).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def aes_xcbc_mac(key: bytes, data: bytes) -> bytes:
    """The 16 octets of the MAC; raises ValueError for a key that is none of AES."""
    k1, k2, k3 = (_encrypt(key, bytes([n]) * _BLOCK) for n in (1, 2, 3))
    whole = bool(data) and len(data) % _BLOCK == 0
    head = data[: max(len(data) - 1, 0) // _BLOCK * _BLOCK]
    last = data[len(head) :]
    if not whole:
        last = (last + b"\x80").ljust(_BLOCK, b"\x00")
    return _encrypt(k1, head + xor(last, k2 if whole else k3))[-_BLOCK:]
