"""Truncated MACs that protect ESP and AH packets, one row each.

RFC 2403, RFC 2404, RFC 2857 (RIPEMD-160), RFC 3566 (XCBC), RFC 4494 (CMAC), RFC 4543 (GMAC),
RFC 4868 (SHA-2); RFC 1828 and RFC 1852 (KPDK), draft-bitan-auth-des-mac-00 (DES-MAC),
draft-ietf-ipsec-ciph-sha-256-00 (SHA2-256 cut to 96 bits).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Literal, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hmac import HMAC

from conformance.crypto.ciphers import CIPHERS
from conformance.crypto.esp_modes import aes_gmac
from conformance.crypto.keyed import KeyedMac
from conformance.crypto.xcbc import aes_xcbc_mac

if TYPE_CHECKING:
    from collections.abc import Callable

    Mac = Callable[[bytes], bytes]

_GMAC_IV = 8


class MacRow(NamedTuple):
    """What a layer must know of an integrity algorithm; sizes in octets."""

    name: str
    """The name used in factors, records and on the command line."""
    key_size: int
    """Of the keying material; GMAC's salt is the last four octets of it."""
    icv_size: int
    prepare: Callable[[bytes], Mac]
    """A key to the MAC under it, before it is truncated to icv_size."""
    source: str
    """The RFC, or draft, that defines its use in ESP and AH."""
    salt_size: int = 0
    iv_size: int = 0
    """Octets ahead of the data that must never repeat under a key; only AH has room for them."""
    ah_only: bool = False
    """Whether ESP has no such transform."""
    block_size: int = 1
    """Octets that it takes at once: ESP pads to them (RFC 4303 2.4), zeros stand for the rest."""

    def keyed(self, key: bytes) -> KeyedMac:
        """The algorithm under a key of key_size octets."""
        return KeyedMac(self.prepare(key), self.icv_size)


def _hmac(algorithm: hashes.HashAlgorithm) -> Callable[[bytes], Mac]:
    return lambda key: _copying(HMAC(key, algorithm))


def _aes_cmac(key: bytes) -> Mac:
    return _copying(CMAC(AES(key)))


def _copying(keyed: HMAC | CMAC) -> Mac:
    def mac(data: bytes) -> bytes:
        copy = keyed.copy()
        copy.update(data)
        return copy.finalize()

    return mac


def _hmac_ripemd160(key: bytes) -> Mac:
    return lambda data: hmac.digest(key, data, "ripemd160")


def _kpdk(name: str, order: Literal["little", "big"]) -> Callable[[bytes], Mac]:
    """Hash(key | fill | data | key); the key is filled as the hash fills a message (RFC 1828 2)."""

    def prepare(key: bytes) -> Mac:
        fill = b"\x80" + bytes(-(len(key) + 9) % 64) + (8 * len(key)).to_bytes(8, order)
        filled = hashlib.new(name, key + fill, usedforsecurity=False)

        def mac(data: bytes) -> bytes:
            whole = filled.copy()
            whole.update(data + key)
            return whole.digest()

        return mac

    return prepare


def _des_mac(key: bytes) -> Mac:
    """The last block of CBC from zeros; zeros fill up the data (RFC 4302 3.3.3.2.2)."""
    cbc = CIPHERS["des"].build(key)
    return lambda data: cbc.encrypt(bytes(8), data + bytes(-len(data) % 8))[-8:]


def _gmac(key: bytes) -> Mac:
    mac = aes_gmac(key)
    return lambda data: mac(data[:_GMAC_IV], data[_GMAC_IV:])


_SHA256_96, _DES_MAC = "draft-ietf-ipsec-ciph-sha-256-00", "draft-bitan-auth-des-mac-00"

# fmt: off
_ROWS = (
    #      name        key icv  prepare                  source
    MacRow("md5",       16, 12, _hmac(hashes.MD5()),    "RFC 2403"),
    MacRow("sha1",      20, 12, _hmac(hashes.SHA1()),   "RFC 2404"),
    MacRow("sha256",    32, 16, _hmac(hashes.SHA256()), "RFC 4868"),
    MacRow("sha384",    48, 24, _hmac(hashes.SHA384()), "RFC 4868"),
    MacRow("sha512",    64, 32, _hmac(hashes.SHA512()), "RFC 4868"),
    MacRow("ripemd160", 20, 12, _hmac_ripemd160,        "RFC 2857"),
    MacRow("aesxcbc",   16, 12, aes_xcbc_mac,           "RFC 3566"),
    MacRow("aescmac",   16, 12, _aes_cmac,              "RFC 4494"),
    MacRow("aes128gmac", 20, 16, _gmac, "RFC 4543", salt_size=4, iv_size=_GMAC_IV, ah_only=True),
    MacRow("aes192gmac", 28, 16, _gmac, "RFC 4543", salt_size=4, iv_size=_GMAC_IV, ah_only=True),
    MacRow("aes256gmac", 36, 16, _gmac, "RFC 4543", salt_size=4, iv_size=_GMAC_IV, ah_only=True),
    MacRow("sha256_96", 32, 12, _hmac(hashes.SHA256()), _SHA256_96),
    MacRow("des-mac",    8,  8, _des_mac,               _DES_MAC, block_size=8),
    MacRow("md5-kpdk",  16, 16, _kpdk("md5", "little"), "RFC 1828", ah_only=True),
    MacRow("sha1-kpdk", 20, 20, _kpdk("sha1", "big"),   "RFC 1852", ah_only=True),
)
# fmt: on

_ABSENT = {"ripemd160"} - hashlib.algorithms_available
"""OpenSSL before 3.0.7 has RIPEMD-160 only in its legacy provider, which Python does not load."""

MACS = {row.name: row for row in _ROWS if row.name not in _ABSENT}
"""Every integrity algorithm by its name; ``transforms`` says which can be negotiated."""
