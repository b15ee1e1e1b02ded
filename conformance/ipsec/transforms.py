"""What ESP and AH must know of each algorithm: one table of ciphers, one of MACs (RFC 4303 3.2)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from conformance.crypto.ciphers import ESP_CIPHERS, decrypt_cbc, encrypt_cbc
from conformance.crypto.esp_modes import ESP_MODES
from conformance.crypto.macs import AH_MACS, compute_icv, verify_icv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class EncryptionTransform(NamedTuple):
    """A cipher as ESP uses it; sizes in octets."""

    name: str
    key_size: int
    """Of the keying material, the salt included."""
    iv_size: int
    block_size: int
    icv_size: int
    """0 where integrity is another algorithm's matter."""
    encrypt: Callable[[bytes, bytes, bytes, bytes], bytes]
    """(key, iv, plaintext of whole blocks, associated data) -> ciphertext | ICV."""
    decrypt: Callable[[bytes, bytes, bytes, bytes], bytes | None]
    """(key, iv, ciphertext | ICV, associated data) -> plaintext; None where the ICV is wrong."""
    source: str
    """The RFC that defines its use in ESP."""
    counts: bool = False
    """Whether IVs must never repeat, rather than be unpredictable (RFC 4106 3.1)."""
    alone: bool = True
    """Whether it may go without another algorithm's integrity (RFC 4303 1, RFC 3686 7)."""


class IntegrityTransform(NamedTuple):
    """A MAC as ESP and AH use it; sizes in octets."""

    name: str
    key_size: int
    icv_size: int
    compute: Callable[[bytes, bytes], bytes]
    """(key, iv | data) -> ICV."""
    verify: Callable[[bytes, bytes, bytes], bool]
    """(key, iv | data, icv) -> whether it holds, in constant time."""
    source: str
    """The RFC that defines its use in ESP and AH."""
    iv_size: int = 0
    """Octets that AH carries ahead of the ICV (RFC 4543 4); ESP has no room for them."""


_CBC_SOURCES = {"aes": "RFC 3602", "des": "RFC 2405", "camellia": "RFC 4312", "seed": "RFC 4196"}
_CBC_SOURCE = "RFC 2451"
_MAC_SOURCES = {
    "md5": "RFC 2403",
    "sha1": "RFC 2404",
    "sha256": "RFC 4868",
    "sha384": "RFC 4868",
    "sha512": "RFC 4868",
    "ripemd160": "RFC 2857",
    "aesxcbc": "RFC 3566",
    "aescmac": "RFC 4494",
    "aes128gmac": "RFC 4543",
    "aes192gmac": "RFC 4543",
    "aes256gmac": "RFC 4543",
}


def _cbc(name: str) -> EncryptionTransform:
    row = ESP_CIPHERS[name]

    def encrypt(key: bytes, iv: bytes, plain: bytes, _: bytes) -> bytes:
        return encrypt_cbc(name, key, iv, plain)

    def decrypt(key: bytes, iv: bytes, sealed: bytes, _: bytes) -> bytes:
        return decrypt_cbc(name, key, iv, sealed)

    source = _CBC_SOURCES.get(name.rstrip("0123456789"), _CBC_SOURCE)
    # A CBC cipher's IV is one block long (RFC 2451 3).
    block = row.block_size
    return EncryptionTransform(name, row.key_size, block, block, 0, encrypt, decrypt, source)


def _mode(name: str) -> EncryptionTransform:
    row = ESP_MODES[name]
    return EncryptionTransform(
        name,
        row.key_size,
        row.iv_size,
        row.block_size,
        row.icv_size,
        row.seal,
        row.open,
        row.source,
        counts=row.iv_size > 0,
        alone=row.icv_size > 0,
    )


def _encryption() -> Iterator[EncryptionTransform]:
    for name in ESP_CIPHERS:
        yield _mode(name) if name in ESP_MODES else _cbc(name)


def _integrity() -> Iterator[IntegrityTransform]:
    # Confidentiality alone (RFC 4303 1); the packets of RFC 3602 section 4 are made so.
    yield IntegrityTransform("none", 0, 0, lambda *_: b"", lambda *_: True, "RFC 4303")
    for name, row in AH_MACS.items():
        yield IntegrityTransform(
            name,
            row.key_size,
            row.icv_size,
            partial(compute_icv, name),
            partial(verify_icv, name),
            _MAC_SOURCES[name],
            row.iv_size,
        )


ENCRYPTION = {row.name: row for row in _encryption()}
"""Every cipher of ESP by its name."""

INTEGRITY = {row.name: row for row in _integrity()}
"""Every integrity algorithm of ESP and AH by its name."""
