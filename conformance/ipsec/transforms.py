"""What ESP and AH must know of each algorithm: one table of ciphers, one of MACs (RFC 4303 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from conformance.crypto.ciphers import ESP_CIPHERS, CipherRow
from conformance.crypto.keyed import KeyedCipher, KeyedMac
from conformance.crypto.macs import MACS, MacRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.crypto.block import CbcCipher
    from conformance.crypto.esp_modes import EspModeRow

__all__ = ["ENCRYPTION", "INTEGRITY", "EncryptionTransform", "KeyedCipher", "KeyedMac"]


class EncryptionTransform(NamedTuple):
    """A cipher as ESP uses it; sizes in octets."""

    name: str
    key_size: int
    """Of the keying material, the salt included."""
    salt_size: int
    iv_size: int
    block_size: int
    icv_size: int
    """0 where integrity is another algorithm's matter."""
    keyed: Callable[[bytes], KeyedCipher]
    """A key of key_size octets to the cipher under it."""
    source: str
    """The RFC, or draft, that defines its use in ESP."""
    counts: bool = False
    """Whether IVs must never repeat, rather than be unpredictable (RFC 4106 3.1)."""
    alone: bool = True
    """Whether it may go without another algorithm's integrity (RFC 4303 1, RFC 3686 7)."""


_CBC_SOURCE = "RFC 2451"
_CANDIDATES = "draft-ietf-ipsec-ciph-aes-cbc-00"
_CBC_SOURCES = {
    "aes": "RFC 3602",
    "des": "RFC 2405",
    "camellia": "RFC 4312",
    "seed": "RFC 4196",
    "serpent": _CANDIDATES,
    "twofish": _CANDIDATES,
}


class _Cbc:
    """A cipher in CBC mode, which authenticates nothing."""

    def __init__(self, cipher: CbcCipher) -> None:
        self._cipher = cipher

    def encrypt(self, iv: bytes, plain: bytes, _aad: bytes) -> bytes:
        return self._cipher.encrypt(iv, plain)

    def decrypt(self, iv: bytes, sealed: bytes, _aad: bytes) -> bytes:
        return self._cipher.decrypt(iv, sealed)


def _cbc(row: CipherRow) -> EncryptionTransform:
    source = _CBC_SOURCES.get(row.name.rstrip("0123456789"), _CBC_SOURCE)
    # A CBC cipher's IV is one block long (RFC 2451 3).
    block = row.block_size
    return EncryptionTransform(
        row.name, row.key_size, 0, block, block, 0, lambda key: _Cbc(row.build(key)), source
    )


def _mode(row: EspModeRow) -> EncryptionTransform:
    return EncryptionTransform(
        row.name,
        row.key_size,
        row.salt_size,
        row.iv_size,
        row.block_size,
        row.icv_size,
        row.keyed,
        row.source,
        counts=row.iv_size > 0,
        alone=row.icv_size > 0,
    )


ENCRYPTION = {
    name: _cbc(row) if isinstance(row, CipherRow) else _mode(row)
    for name, row in ESP_CIPHERS.items()
}
"""Every cipher of ESP by its name."""

# Confidentiality alone (RFC 4303 1); the packets of RFC 3602 section 4 are made so.
_NONE = MacRow("none", 0, 0, lambda _: lambda _: b"", "RFC 4303")

INTEGRITY = {"none": _NONE, **MACS}
"""Every integrity algorithm of ESP and AH by its name."""
