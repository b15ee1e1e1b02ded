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


class IntegrityTransform(NamedTuple):
    """What negotiation must know of an integrity algorithm; sizes in octets."""

    name: str
    """The name used in factors, records and on the command line."""
    ah_id: int
    """AH transform identifier, RFC 2407 4.4.3."""
    attribute_id: int
    """Authentication algorithm attribute, RFC 2407 4.5; AH has it beside the identifier."""
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
_MAC_NUMBERS = (
    # name         AH   attribute
    ("md5",          2,   1),
    ("sha1",         3,   2),
    ("sha256",       5,   5),
    ("sha384",       6,   6),
    ("sha512",       7,   7),
    ("ripemd160",    8,   8),
    ("aesxcbc",      9,   9),
    ("aescmac",    250, 250),
    ("aes128gmac",  11,  11),
    ("aes192gmac",  12,  12),
    ("aes256gmac",  13,  13),
)
"""A MAC without a line cannot be negotiated."""
# fmt: on

AH_TRANSFORMS = {
    name: IntegrityTransform(name, ah_id, attribute_id, MACS[name].key_size)
    for name, ah_id, attribute_id in _MAC_NUMBERS
    if name in MACS
}
"""Every integrity algorithm of AH by its name."""

ESP_INTEGRITY = {name: row for name, row in AH_TRANSFORMS.items() if not MACS[name].ah_only}
"""Every integrity algorithm of ESP by its name."""

COMPRESSIONS = {"deflate": 2, "lzs": 3, "lzjh": 4}
"""IPComp transform identifier by name, RFC 2407 4.4.5 and RFC 3051."""
