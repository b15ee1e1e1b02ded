"""The messages of netlink's XFRM family as tables (Linux ``include/uapi/linux/xfrm.h``, RFC 3549).

pyroute2 packs and reads them; it has none of this family itself. Addresses are 16 octets, an IPv4
address in the first four; numbers are the machine's own, but for SPIs and ports, which are the
network's.
"""

from __future__ import annotations

import struct
from typing import Any

from pyroute2.netlink import nla, nlmsg

FAMILY = 6
"""NETLINK_XFRM."""
NEW_SA, DELETE_SA, GET_SA, NEW_POLICY, FLUSH_SA, FLUSH_POLICY = 0x10, 0x11, 0x12, 0x13, 0x1C, 0x1D
"""XFRM_MSG_*."""
POLICY_IN, POLICY_OUT, POLICY_FORWARD = 0, 1, 2
"""Directions of a policy."""
MODES = {"transport": 0, "tunnel": 1}
"""XFRM_MODE_*."""
ANY_FAMILY, ALIGN_4, EXTENDED = 0x20, 0x40, 0x80
"""Flags of an SA: no selector of its own; AH aligned to 4 octets in IPv4, as RFC 4302 2.2 has it;
64-bit numbers."""
UDP_ENCAPSULATION = 2
"""UDP_ENCAP_ESPINUDP: the form of RFC 3948."""
NO_LIMIT = (1 << 64) - 1
"""XFRM_INF."""

Fields = tuple[tuple[str, str], ...]


def _part(prefix: str, fields: Fields) -> Fields:
    """The fields of a structure that stands inside another."""
    return tuple((f"{prefix}_{name}", form) for name, form in fields)


# fmt: off
_SELECTOR: Fields = (
    ("destination", "16s"), ("source", "16s"),
    ("destination_port", ">H"), ("destination_port_mask", ">H"),
    ("source_port", ">H"), ("source_port_mask", ">H"),
    ("family", "H"), ("destination_prefix", "B"), ("source_prefix", "B"),
    ("protocol", "B"), ("pad", "3x"), ("interface", "i"), ("user", "I"),
)
_ID: Fields = (("destination", "16s"), ("spi", ">I"), ("protocol", "B"), ("pad", "3x"))
_LIMITS: Fields = tuple(
    (f"{edge}_{unit}", "Q")
    for unit in ("bytes", "packets", "add_seconds", "use_seconds")
    for edge in ("soft", "hard")
)
_CURRENT: Fields = (("bytes", "Q"), ("packets", "Q"), ("added", "Q"), ("used", "Q"))
_STATISTICS: Fields = (("replay_window", "I"), ("replay", "I"), ("integrity_failed", "I"))
_SA: Fields = (
    *_part("selector", _SELECTOR), *_part("id", _ID), ("source", "16s"), *_part("limit", _LIMITS),
    *_part("current", _CURRENT), *_part("statistics", _STATISTICS),
    ("sequence", "I"), ("request", "I"), ("family", "H"), ("mode", "B"), ("replay_window", "B"),
    ("flags", "B"), ("pad", "7x"),
)
_SA_NAME: Fields = (
    ("destination", "16s"), ("spi", ">I"), ("family", "H"), ("protocol", "B"), ("pad", "x"),
)
_POLICY: Fields = (
    *_part("selector", _SELECTOR), *_part("limit", _LIMITS), *_part("current", _CURRENT),
    ("priority", "I"), ("index", "I"), ("direction", "B"), ("action", "B"), ("flags", "B"),
    ("share", "B"), ("pad", "4x"),
)
_REPLAY: Fields = (("sent", "I"), ("right", "I"), ("bitmap", "I"))
_REPLAY_EXTENDED: Fields = (
    ("words", "I"), ("sent", "I"), ("right", "I"), ("sent_high", "I"), ("right_high", "I"),
    ("window", "I"), ("bitmap", "s"),
)
_ALGORITHM: Fields = (("name", "64s"), ("key_bits", "I"), ("key", "s"))
_ALGORITHM_ICV: Fields = (("name", "64s"), ("key_bits", "I"), ("icv_bits", "I"), ("key", "s"))
_ENCAPSULATION: Fields = (
    ("kind", "H"), ("source_port", ">H"), ("destination_port", ">H"), ("pad", "2x"),
    ("original", "16s"),
)
# fmt: on
_TEMPLATE = struct.Struct("=16s4sB3xH2x16sIBBBxIII")
_ANY = (1 << 32) - 1

_ATTRIBUTES = {
    "replay": _REPLAY,
    "replay_extended": _REPLAY_EXTENDED,
    "algorithm": _ALGORITHM,
    "algorithm_icv": _ALGORITHM_ICV,
    "encapsulation": _ENCAPSULATION,
}
_NUMBERS = (
    # XFRMA_*, name, structure
    (2, "cipher", "algorithm"),
    (3, "compression", "algorithm"),
    (4, "encapsulation", "encapsulation"),
    (5, "templates", "cdata"),
    (10, "replay", "replay"),
    (18, "combined", "algorithm_icv"),
    (20, "integrity", "algorithm_icv"),
    (22, "tfc", "uint32"),
    (23, "replay_extended", "replay_extended"),
)


def _structure(fields: Fields) -> dict[str, Any]:
    """What pyroute2 wants of a class; what is not given is zeros."""
    return {"fields": fields, "defaults": {name: b"" for name, form in fields if form[-1] == "s"}}


def _message(name: str, fields: Fields) -> type:
    attributes = {key: type(key, (nla,), _structure(each)) for key, each in _ATTRIBUTES.items()}
    return type(name, (nlmsg,), {**_structure(fields), "nla_map": _NUMBERS, **attributes})


Sa = _message("Sa", _SA)
"""``xfrm_usersa_info``: NEW_SA, and what GET_SA answers."""
SaName = _message("SaName", _SA_NAME)
"""``xfrm_usersa_id``: GET_SA, DELETE_SA."""
Policy = _message("Policy", _POLICY)
"""``xfrm_userpolicy_info``: NEW_POLICY."""
Flush = _message("Flush", (("protocol", "B"),))
"""``xfrm_usersa_flush``: FLUSH_SA, 0 for all protocols."""
Nothing = _message("Nothing", ())
"""FLUSH_POLICY has no fields."""


def template(
    destination: bytes, source: bytes, protocol: int, family: int, mode: str, *, optional: bool
) -> bytes:
    """``xfrm_user_tmpl``: an SA that a policy asks for, of any SPI and any algorithm."""
    return _TEMPLATE.pack(
        destination.ljust(16, b"\0"),
        bytes(4),
        protocol,
        family,
        source.ljust(16, b"\0"),
        0,
        MODES[mode],
        0,
        optional,
        _ANY,
        _ANY,
        _ANY,
    )
