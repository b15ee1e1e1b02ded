"""Vendor IDs known by name, and those that announce a feature of ours (RFC 2408 3.16).

RFC 3706 5.1, RFC 3947 3.1, draft-beaulieu-ike-xauth-02 2; the others as implementations send them.
"""

from __future__ import annotations

from typing import NamedTuple


class VendorIdRow(NamedTuple):
    """One Vendor ID."""

    name: str
    data: bytes
    open_ended: bool
    """Whether octets may follow that say a version or flags."""


_EXACT, _PREFIX = False, True

# fmt: off
_ROWS = (
    ("RFC 3947",                         "4a131c81070358455c5728f20e95452f",   _EXACT),
    ("draft-ietf-ipsec-nat-t-ike-00",    "4485152d18b6bbcd0be8a8469579ddcc",   _EXACT),
    ("draft-ietf-ipsec-nat-t-ike-01",    "16f6ca16e4a4066d83821a0f0aeaa862",   _EXACT),
    ("draft-ietf-ipsec-nat-t-ike-02",    "cd60464335df21f87cfdb2fc68b6a448",   _EXACT),
    ("draft-ietf-ipsec-nat-t-ike-02\\n", "90cb80913ebb696e086381b5ec427b1f",   _EXACT),
    ("draft-ietf-ipsec-nat-t-ike-03",    "7d9419a65310ca6f2c179d9215529d56",   _EXACT),
    ("draft-ietf-ipsec-nat-t-ike-04",    "9909b64eed937c6573de52ace952fa6b",   _EXACT),
    ("draft-ietf-ipsec-nat-t-ike-05",    "80d0bb3def54565ee84645d4c85ce3ee",   _EXACT),
    ("draft-ietf-ipsec-nat-t-ike-06",    "4d1e0e136deafa34c4f3ea9f02ec7285",   _EXACT),
    ("draft-ietf-ipsec-nat-t-ike-07",    "439b59f8ba676c4c7737ae22eab8f582",   _EXACT),
    ("draft-ietf-ipsec-nat-t-ike-08",    "8f8d83826d246b6fc7a8a6a428c11de8",   _EXACT),
    ("draft-ietf-ipsec-nat-t-ike",       "4df37928e9fc4fd1b3262170d515c662",   _EXACT),
    ("draft-stenberg-ipsec-nat-t-01",    "27bab5dc01ea0760ea4e3190ac27c0d0",   _EXACT),
    ("draft-stenberg-ipsec-nat-t-02",    "6105c422e76847e43f9684801292aecd",   _EXACT),
    ("ESPThruNAT",                       "50760f624c63e5c53eea386c685ca083",   _EXACT),
    ("draft-huttunen-ipsec-esp-in-udp",  "6a7434c19d7e36348090a02334c9c805",   _EXACT),
    ("XAUTH",                            "09002689dfd6b712",                   _EXACT),
    ("DPD",                              "afcad71368a1f1c96b8696fc7757",       _PREFIX),
    ("DPDv1_NG",                         "3b9031dce4fcf88b489a923963dd0c49",   _EXACT),
    ("Cisco Unity",                      "12f5f28c457168a9702d9fe274cc",       _PREFIX),
    ("Cisco VPN 3000",                   "1f07f70eaa6514d3b0fa96542a50",       _PREFIX),
    ("ALTIGA NETWORKS",                  "f6f7efc7f5aeb8cb158cb9d094ba69e7",   _EXACT),
    ("FRAGMENTATION",                    "4048b7d56ebce88525e7de7f00d6c2d3",   _PREFIX),
    ("MS NT5 ISAKMPOAKLEY",              "1e2b516905991c7d7c96fcbfb587e461",   _PREFIX),
    ("MS Vid-Initial-Contact",           "26244d38eddb61b3172a36e3d0cfb819",   _EXACT),
    ("GSSAPI",                           "621b04bb09882ac1e15935fefa24aeee",   _EXACT),
    ("MS IKE CGA version 1",             "e3a5966a76379fe707228231e5ce8652",   _EXACT),
    ("strongSwan",                       "882fe56d6fd20dbc2251613b2ebe5beb",   _EXACT),
    ("KAME/racoon",                      "7003cbc1097dbe9c2600ba6983bc8b35",   _EXACT),
    ("SSH Sentinel 1.4.1",               "eb4b0d96276b4e220ad16221a7b2a5e6",   _EXACT),
    ("Check Point",                      "f4ed19e0c114eb516faaac0ee37daf2807b4381f", _PREFIX),
    ("NetScreen",                        "699369228741c6d4ca094c93e242c9de19e7b7c6", _PREFIX),
)
# fmt: on

VENDOR_IDS = {name: VendorIdRow(name, bytes.fromhex(text), more) for name, text, more in _ROWS}
"""Every known Vendor ID by name."""

DPD = VENDOR_IDS["DPD"].data + b"\1\0"
"""Version 1.0 of dead peer detection (RFC 3706 5.1)."""
XAUTH = VENDOR_IDS["XAUTH"].data
"""Extended authentication (draft-beaulieu-ike-xauth-02)."""
UNITY = VENDOR_IDS["Cisco Unity"].data + b"\1\0"
"""Cisco's attributes of Mode Config, version 1.0."""


def name_of(data: bytes) -> str | None:
    """The name of a Vendor ID, or None for one that is not known; an exact match goes first."""
    for row in VENDOR_IDS.values():
        if data == row.data:
            return row.name
    return next(
        (row.name for row in VENDOR_IDS.values() if row.open_ended and data.startswith(row.data)),
        None,
    )
