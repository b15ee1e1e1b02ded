"""What ESP must know of each algorithm: one table of ciphers, one of MACs (RFC 4303 3.2)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from conformance.crypto.ciphers import CIPHERS, decrypt_cbc, encrypt_cbc
from conformance.crypto.macs import MACS, compute_icv, verify_icv

if TYPE_CHECKING:
    from collections.abc import Callable


class EncryptionTransform(NamedTuple):
    """A cipher as ESP uses it; sizes in octets."""

    name: str
    key_size: int
    iv_size: int
    block_size: int
    encrypt: Callable[[bytes, bytes, bytes], bytes]
    """(key, iv, plaintext of whole blocks) -> ciphertext."""
    decrypt: Callable[[bytes, bytes, bytes], bytes]
    """(key, iv, ciphertext of whole blocks) -> plaintext."""
    source: str
    """The RFC that defines its use in ESP."""


class IntegrityTransform(NamedTuple):
    """A MAC as ESP uses it; sizes in octets."""

    name: str
    key_size: int
    icv_size: int
    compute: Callable[[bytes, bytes], bytes]
    """(key, data) -> ICV."""
    verify: Callable[[bytes, bytes, bytes], bool]
    """(key, data, icv) -> whether it holds, in constant time."""
    source: str
    """The RFC that defines its use in ESP."""


def _cbc(name: str, source: str) -> EncryptionTransform:
    row = CIPHERS[name]
    encrypt, decrypt = partial(encrypt_cbc, name), partial(decrypt_cbc, name)
    # A CBC cipher's IV is one block long (RFC 2451 3).
    return EncryptionTransform(
        name, row.key_size, row.block_size, row.block_size, encrypt, decrypt, source
    )


def _hmac(name: str, source: str) -> IntegrityTransform:
    row = MACS[name]
    compute, verify = partial(compute_icv, name), partial(verify_icv, name)
    return IntegrityTransform(name, row.key_size, row.icv_size, compute, verify, source)


ENCRYPTION = {
    row.name: row
    for row in (
        _cbc("aes128", "RFC 3602"),
        _cbc("aes192", "RFC 3602"),
        _cbc("aes256", "RFC 3602"),
        _cbc("3des", "RFC 2451"),
    )
}
"""Every cipher of ESP by its name."""

INTEGRITY = {
    row.name: row
    for row in (
        # Confidentiality alone (RFC 4303 1); the packets of RFC 3602 section 4 are made so.
        IntegrityTransform("none", 0, 0, lambda *_: b"", lambda *_: True, "RFC 4303"),
        _hmac("sha1", "RFC 2404"),
        _hmac("sha256", "RFC 4868"),
    )
}
"""Every integrity algorithm of ESP by its name."""
