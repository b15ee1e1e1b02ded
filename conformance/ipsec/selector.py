"""Selectors: which packets an SA carries (RFC 4301 4.4.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from conformance.ipsec.ip import Ipv4Packet, Protocol

if TYPE_CHECKING:
    from conformance.ipsec.packet import Network, Packet

ANYWHERE = IPv4Network("0.0.0.0/0")
"""The selector that every IPv4 address fits."""
ANYWHERE_6 = IPv6Network("::/0")
"""The selector that every IPv6 address fits."""
_SCTP, _UDP_LITE, _DCCP = 132, 136, 33
_WITH_PORTS = frozenset((Protocol.TCP, Protocol.UDP, _SCTP, _UDP_LITE, _DCCP))
_PORTS_SIZE = 4


@dataclass(frozen=True, slots=True)
class Selector:
    """Source and destination networks, and upper layer protocol and ports, 0 for any."""

    source: Network = ANYWHERE
    destination: Network = ANYWHERE
    protocol: int = 0
    source_port: int = 0
    destination_port: int = 0

    def covers(self, packet: Packet) -> bool:
        """Whether the packet fits; without ports of its own it fits no port but any."""
        if packet.source not in self.source or packet.destination not in self.destination:
            return False
        if self.protocol not in (0, packet.protocol):
            return False
        wanted = (self.source_port, self.destination_port)
        ports = ports_of(packet) if any(wanted) else wanted
        return all(one in (0, other) for one, other in zip(wanted, ports, strict=True))


EVERYTHING = Selector()
"""Every IPv4 packet."""


def ports_of(packet: Packet) -> tuple[int, int]:
    """Source and destination port; zeros where the packet shows none (RFC 4301 4.4.1.1)."""
    first = not isinstance(packet, Ipv4Packet) or not packet.fragment_offset
    payload = packet.payload
    if packet.protocol not in _WITH_PORTS or not first or len(payload) < _PORTS_SIZE:
        return 0, 0
    return int.from_bytes(payload[:2]), int.from_bytes(payload[2:4])
