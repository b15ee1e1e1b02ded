"""AES-XCBC-MAC, a CBC-MAC for messages of any length (RFC 3566 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from conformance.crypto.block import xor

if TYPE_CHECKING:
    from collections.abc import Callable

_BLOCK = 16
_ZEROS = modes.CBC(bytes(_BLOCK))


def aes_xcbc_mac(key: bytes) -> Callable[[bytes], bytes]:
    """A key to (data -> the 16 octets of the MAC); ValueError for a key that is none of AES."""
    k1, k2, k3 = (_chained(AES(key), bytes([n]) * _BLOCK) for n in (1, 2, 3))
    algorithm = AES(k1)

    def mac(data: bytes) -> bytes:
        whole = bool(data) and len(data) % _BLOCK == 0
        head = data[: max(len(data) - 1, 0) // _BLOCK * _BLOCK]
        last = data[len(head) :]
        if not whole:
            last = (last + b"\x80").ljust(_BLOCK, b"\x00")
        return _chained(algorithm, head + xor(last, k2 if whole else k3))

    return mac


def _chained(algorithm: AES, data: bytes) -> bytes:
    """The last block of CBC from zeros."""
    encryptor = Cipher(algorithm, _ZEROS).encryptor()
    return (encryptor.update(data) + encryptor.finalize())[-_BLOCK:]
