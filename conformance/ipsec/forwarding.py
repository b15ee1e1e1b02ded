"""The time to live of packets that a gateway forwards (RFC 791 3.2, RFC 8200 3, RFC 1812 5.3.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from conformance.ipsec.icmp_errors import ErrorKind, error_about

if TYPE_CHECKING:
    from conformance.ipsec.packet import Address, Packet


class Forwarded(NamedTuple):
    """A packet one hop further, or what is told of the one that went no further."""

    packet: Packet | None
    error: Packet | None = None
    """ICMP time exceeded to the source; None too where no error may be sent."""


def forward(packet: Packet, router: Address) -> Forwarded:
    """A packet as it is forwarded into a tunnel or out of one (RFC 4301 5.1.2.1, note 2).

    Only gateways do: what starts or ends on the same node as the tunnel is not forwarded.
    ``router`` is the gateway's own address, of the packet's version.
    """
    if packet.ttl <= 1:
        return Forwarded(None, error_about(packet, ErrorKind.TIME_EXCEEDED, router))
    return Forwarded(replace(packet, ttl=packet.ttl - 1))
