"""Transforms with their keys inside, ready for packet after packet (RFC 4302 3.2, RFC 4303 3.2)."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class KeyedCipher(Protocol):
    """A cipher of ESP under one key; what the key alone decides is computed once."""

    def encrypt(self, iv: bytes, plain: bytes, aad: bytes) -> bytes:
        """Ciphertext | ICV, of whole blocks and of what is authenticated beside them."""

    def decrypt(self, iv: bytes, sealed: bytes, aad: bytes) -> bytes | None:
        """The plaintext of ciphertext | ICV; None where the ICV is wrong."""


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
