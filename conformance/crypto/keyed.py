"""Transforms with their keys inside, ready for packet after packet (RFC 4302 3.2, RFC 4303 3.2)."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cryptography.exceptions import InvalidTag

if TYPE_CHECKING:
    from collections.abc import Callable


class KeyedCipher(Protocol):
    """A cipher of ESP under one key; what the key alone decides is computed once."""

    def encrypt(self, iv: bytes, plain: bytes, aad: bytes) -> bytes:
        """Ciphertext | ICV, of whole blocks and of what is authenticated beside them."""

    def decrypt(self, iv: bytes, sealed: bytes, aad: bytes) -> bytes | None:
        """The plaintext of ciphertext | ICV; None where the ICV is wrong."""


class Primitive(NamedTuple):
    """The library's own calls for packets of many, a nonce being the salt and an IV behind it."""

    salt: bytes
    seal: Callable[[bytes, bytes, bytes], bytes]
    """(nonce, plaintext, associated data) -> ciphertext | ICV."""
    open: Callable[[bytes, bytes, bytes], bytes | None]
    """(nonce, ciphertext | ICV, associated data) -> plaintext; WrongIcvError or None otherwise."""


WrongIcvError = InvalidTag
"""What ``Primitive.open`` may raise."""


def primitive_of(cipher: KeyedCipher) -> Primitive:
    """What is under a cipher, where that does all of its work; else its own methods."""
    own: Primitive | None = getattr(cipher, "primitive", None)
    return own or Primitive(b"", cipher.encrypt, cipher.decrypt)


class KeyedMac:
    """A MAC under one key, truncated to its ICV."""

    def __init__(self, whole: Callable[[bytes], bytes], icv_size: int) -> None:
        """Data, an IV ahead of it where the MAC wants one, to the MAC before it is truncated."""
        self._whole = whole
        self._icv_size = icv_size

    def compute(self, data: bytes) -> bytes:
        """The ICV over data."""
        return self._whole(data)[: self._icv_size]

    def verify(self, data: bytes, icv: bytes) -> bool:
        """Whether icv is the one over data, compared in constant time."""
        return hmac.compare_digest(self.compute(data), icv)
