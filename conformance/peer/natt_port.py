"""Port 4500, which IKE, keepalives and ESP share, and where the peer's end of it is.

RFC 3948 2 and 3, RFC 3947 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.ikev1.errors import DecodeError
from conformance.ikev1.fragments import is_fragment
from conformance.ikev1.message import NON_ESP_MARKER, parse_header
from conformance.ipsec.udp import kind_of

if TYPE_CHECKING:
    from conformance.ikev1.events import PathProbed
    from conformance.peer.host import Address


NON_IKE_MARKER = bytes(8)
"""In front of ESP on IKE's port, where IKE has a cookie (draft-ietf-ipsec-udp-encaps-01)."""


def belongs_here(datagram: bytes, address: Address, ike_port: int) -> bool:
    """Whether a datagram of the endpoint leaves from this port, not from that of IKE.

    A keepalive does where IKE has gone there, which the drafts 00 and 01 never do.
    """
    kind = kind_of(datagram)
    return address[1] != ike_port if kind == "keepalive" else kind == "ike"


def carries_fragment(datagram: bytes) -> bool:
    """Whether a datagram of IKE, from either port, is a part of a larger message."""
    try:
        return is_fragment(parse_header(datagram.removeprefix(NON_ESP_MARKER)))
    except DecodeError:
        return False


@dataclass(slots=True)
class UdpPath:
    """Where ESP in UDP goes to."""

    address: Address | None = None
    """None before anything was agreed on over this port."""
    follows: bool = True
    """Whether the peer may move; behind a NAT ourselves we must not believe it (RFC 3947 7)."""

    def probed(self, event: PathProbed) -> None:
        """The NAT-D payloads told who is behind a NAT."""
        self.follows = not event.we_are_behind

    def heard(self, source: Address, *, agreed: bool = False) -> Address | None:
        """Something authentic came from there; gives the former address where it has changed.

        ``agreed`` where it ended a negotiation, which both ends held over this very path.
        """
        before = self.address
        if source == before or not (agreed or (self.follows and before)):
            return None
        self.address = source
        return before
