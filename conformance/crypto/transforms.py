"""What phase 2 can agree on: ESP, AH and IPComp transforms, their numbers and their key material.

RFC 2407 4.4.3 to 4.4.5 and 4.5, RFC 3051, RFC 4543. The ciphers have tables of their own.
"""

from __future__ import annotations

from typing import NamedTuple

from conformance.crypto.ciphers import ESP_CIPHERS, FAMILIES
from conformance.crypto.esp_modes import ESP_MODES
from conformance.crypto.macs import MACS


class EspTransform(NamedTuple):
    """What negotiation must know of a cipher of ESP; sizes in octets."""

    name: str
    """The name used in factors, records and on the command line."""
    esp_id: int
    """ESP transform identifier, RFC 2407 4.4.4."""
    key_length: int | None
    """Value of the key length attribute in bits; None where the attribute must be absent."""
    key_size: int
    """What is taken from KEYMAT for it, salt included."""
    authenticates: bool = False
    """Whether it has an ICV of its own, so that no integrity algorithm stands beside it."""
    needs_integrity: bool = False
    """Whether it must not be used without an integrity algorithm."""


class AhTransform(NamedTuple):
    """What negotiation must know of an integrity algorithm of AH; sizes in octets."""

    name: str
    """The name used in factors, records and on the command line."""
    ah_id: int
    """AH transform identifier, RFC 2407 4.4.3."""
    attribute_id: int
    """The authentication algorithm attribute that must stand beside it, RFC 2407 4.5."""
    key_size: int
    """What is taken from KEYMAT for it, salt included."""


_CBC_ROWS = tuple(
    EspTransform(row.name, row.esp_id, row.key_length, row.key_size)
    for row in ESP_CIPHERS.values()
    if row.name not in ESP_MODES
)
_MODE_ROWS = tuple(
    EspTransform(
        row.name,
        row.esp_id,
        row.key_length,
        row.key_size,
        authenticates=bool(row.icv_size),
        needs_integrity=not row.icv_size,
    )
    for row in ESP_MODES.values()
)
"""Counter mode needs a MAC (RFC 3686 7); NULL without one would leave nothing (RFC 2410)."""

ESP_TRANSFORMS = {row.name: row for row in (*_CBC_ROWS, *_MODE_ROWS)}
"""Every cipher of ESP by its name."""

ESP_ALONE = tuple(ESP_MODES)
"""The names that phase 1 does not know."""

ESP_DEFAULT_BITS = {family.esp_id: 128 for family in FAMILIES if family.lengths and family.fixed}
"""What an absent key length means, by transform identifier: Blowfish, RC5, CAST (RFC 2451 2.2)."""

# AES-CMAC has no number for IKEv1; 250 is Libreswan's private one.
# fmt: off
_MAC_NUMBERS = {
    # name      AH
    "md5":        2,
    "sha1":       3,
    "sha256":     5,
    "sha384":     6,
    "sha512":     7,
    "ripemd160":  8,
    "aesxcbc":    9,
    "aescmac":  250,
}
# fmt: on
_GMAC_ROWS = tuple(
    AhTransform(f"aes{bits}gmac", number, number, bits // 8 + 4)
    for number, bits in enumerate((128, 192, 256), 11)
)
"""RFC 4543 5.4: the key length is that of the transform, a salt of four octets follows."""

AH_TRANSFORMS = {
    row.name: row
    for row in (
        *(
            AhTransform(name, number, MACS[name].attribute_id, MACS[name].key_size)
            for name, number in _MAC_NUMBERS.items()
            if name in MACS
        ),
        *_GMAC_ROWS,
    )
}
"""Every integrity algorithm of AH by its name."""

COMPRESSIONS = {"deflate": 2, "lzs": 3, "lzjh": 4}
"""IPComp transform identifier by name, RFC 2407 4.4.5 and RFC 3051."""
