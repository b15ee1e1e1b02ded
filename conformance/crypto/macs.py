"""Truncated MACs that protect ESP and AH packets, one row each.

RFC 2403, RFC 2404, RFC 2857 (RIPEMD-160), RFC 3566 (XCBC), RFC 4494 (CMAC), RFC 4543 (GMAC),
RFC 4868 (SHA-2).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from conformance.crypto.esp_modes import aes_gmac
from conformance.crypto.xcbc import aes_xcbc_mac

if TYPE_CHECKING:
    from collections.abc import Callable


_GMAC_IV = 8


class MacRow(NamedTuple):
    """What a layer must know of an integrity algorithm; sizes in octets."""

    name: str
    """The name used in factors, records and on the command line."""
    attribute_id: int
    """Authentication algorithm attribute of phase 2, RFC 2407 4.5."""
    key_size: int
    """Of the keying material; GMAC's salt is the last four octets of it."""
    icv_size: int
    compute: Callable[[bytes, bytes], bytes]
    """(key, iv | data) -> the whole MAC, before it is truncated to icv_size."""
    iv_size: int = 0
    """Octets ahead of the data that must never repeat under a key; only AH has room for them."""


def _hmac(name: str) -> Callable[[bytes, bytes], bytes]:
    return lambda key, data: hmac.digest(key, data, name)


def _gmac(key: bytes, data: bytes) -> bytes:
    return aes_gmac(key, data[:_GMAC_IV], data[_GMAC_IV:])


def _aes_cmac(key: bytes, data: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(data)
    return mac.finalize()


# AES-CMAC has no number for IKEv1; 250 is Libreswan's private one.
# fmt: off
_ROWS = (
    #      name       id  key  icv  compute
    MacRow("md5",       1,  16,  12, _hmac("md5")),
    MacRow("sha1",      2,  20,  12, _hmac("sha1")),
    MacRow("sha256",    5,  32,  16, _hmac("sha256")),
    MacRow("sha384",    6,  48,  24, _hmac("sha384")),
    MacRow("sha512",    7,  64,  32, _hmac("sha512")),
    MacRow("ripemd160", 8,  20,  12, _hmac("ripemd160")),
    MacRow("aesxcbc",   9,  16,  12, aes_xcbc_mac),
    MacRow("aescmac", 250,  16,  12, _aes_cmac),
)
_AH_ROWS = (
    MacRow("aes128gmac", 11, 20,  16, _gmac, iv_size=_GMAC_IV),
    MacRow("aes192gmac", 12, 28,  16, _gmac, iv_size=_GMAC_IV),
    MacRow("aes256gmac", 13, 36,  16, _gmac, iv_size=_GMAC_IV),
)
# fmt: on

_ABSENT = {"ripemd160"} - hashlib.algorithms_available
"""OpenSSL before 3.0.7 has RIPEMD-160 only in its legacy provider, which Python does not load."""

MACS = {row.name: row for row in _ROWS if row.name not in _ABSENT}
"""Every integrity algorithm of ESP, and of AH, by its name."""

AH_MACS = MACS | {row.name: row for row in _AH_ROWS}
"""Every integrity algorithm of AH, those with an IV too, for which ESP has no room."""


def compute_icv(name: str, key: bytes, data: bytes) -> bytes:
    """The ICV over data (GMAC: IV and data), icv_size octets long; KeyError for an unknown name."""
    row = AH_MACS[name]
    return row.compute(key, data)[: row.icv_size]


def verify_icv(name: str, key: bytes, data: bytes, icv: bytes) -> bool:
    """Whether icv is the one over data, compared in constant time."""
    return hmac.compare_digest(compute_icv(name, key, data), icv)
