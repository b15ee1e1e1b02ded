"""The authentication methods of phase 1 as one table (RFC 2409 Appendix A, RFC 4754 8).

The private numbers are those of draft-beaulieu-ike-xauth-02 7.2 (XAUTH over a base method) and of
draft-ietf-ipsec-isakmp-hybrid-auth-05 (one side proves itself by XAUTH alone).
"""

from __future__ import annotations

from typing import NamedTuple

_I, _R = "initiator", "responder"


class MethodRow(NamedTuple):
    """What distinguishes an authentication method."""

    name: str
    """The name used in factors, records and on the command line."""
    number: int
    base: str
    """The method by which keys and proofs are made."""
    user: str | None = None
    """Whose user is asked for by XAUTH afterwards; None without XAUTH."""
    user_proves: bool = True
    """Whether the side of the user proves itself in phase 1 too."""


# fmt: off
_ROWS = (
    #         name                   number base         user user_proves
    MethodRow("psk",                 1,     "psk"),
    MethodRow("dss-sig",             2,     "dss-sig"),
    MethodRow("rsa-sig",             3,     "rsa-sig"),
    MethodRow("rsa-enc",             4,     "rsa-enc"),
    MethodRow("rsa-rev",             5,     "rsa-rev"),
    MethodRow("ecdsa-256",           9,     "ecdsa-256"),
    MethodRow("ecdsa-384",           10,    "ecdsa-384"),
    MethodRow("ecdsa-521",           11,    "ecdsa-521"),
    MethodRow("hybrid-init-rsa-sig", 64221, "rsa-sig",   _I,  False),
    MethodRow("hybrid-resp-rsa-sig", 64222, "rsa-sig",   _R,  False),
    MethodRow("hybrid-init-dss-sig", 64223, "dss-sig",   _I,  False),
    MethodRow("hybrid-resp-dss-sig", 64224, "dss-sig",   _R,  False),
    MethodRow("xauth-init-psk",      65001, "psk",       _I),
    MethodRow("xauth-resp-psk",      65002, "psk",       _R),
    MethodRow("xauth-init-dss-sig",  65003, "dss-sig",   _I),
    MethodRow("xauth-resp-dss-sig",  65004, "dss-sig",   _R),
    MethodRow("xauth-init-rsa-sig",  65005, "rsa-sig",   _I),
    MethodRow("xauth-resp-rsa-sig",  65006, "rsa-sig",   _R),
    MethodRow("xauth-init-rsa-enc",  65007, "rsa-enc",   _I),
    MethodRow("xauth-resp-rsa-enc",  65008, "rsa-enc",   _R),
    MethodRow("xauth-init-rsa-rev",  65009, "rsa-rev",   _I),
    MethodRow("xauth-resp-rsa-rev",  65010, "rsa-rev",   _R),
)
# fmt: on

METHOD_ROWS = {row.name: row for row in _ROWS}
"""Every authentication method by its name."""
