"""The Security Policy Database: what happens to a packet that is to leave (RFC 4301 4.4.1)."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Literal

from conformance.ipsec.sad import ANYWHERE
from conformance.peer.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.ipsec.ip import Ipv4Packet

Action = Literal["protect", "bypass", "discard"]

_WITH_PORTS = (6, 17)
"""TCP and UDP, whose ports stand first."""
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "sctp": 132}
"""Numbers of IP protocols by name (IANA)."""


class Policy(Fields, frozen=True, kw_only=True):
    """One entry; what is not said fits everything."""

    action: Action
    source: IPv4Network = ANYWHERE
    destination: IPv4Network = ANYWHERE
    protocol: Literal["icmp", "tcp", "udp", "sctp"] | int | None = None
    source_port: int | None = None
    destination_port: int | None = None

    def fits(self, packet: Ipv4Packet) -> bool:
        """Whether the entry speaks of this packet.

        A fragment that does not show its ports fits no entry with ports (RFC 4301 7).
        """
        number = PROTOCOLS.get(str(self.protocol), self.protocol)
        if number not in (None, packet.protocol):
            return False
        if packet.source not in self.source or packet.destination not in self.destination:
            return False
        wanted = (self.source_port, self.destination_port)
        if wanted == (None, None):
            return True
        ports = ports_of(packet)
        return ports is not None and all(
            one in (None, port) for one, port in zip(wanted, ports, strict=True)
        )


def ports_of(packet: Ipv4Packet) -> tuple[int, int] | None:
    """Source and destination port; None where the packet shows none."""
    if packet.protocol not in _WITH_PORTS or packet.fragment_offset or len(packet.payload) < 4:  # noqa: PLR2004
        return None
    return int.from_bytes(packet.payload[:2]), int.from_bytes(packet.payload[2:4])


class Spd:
    """Entries in order, of which the first that fits decides; what fits none is discarded."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._policies = tuple(policies)

    def decide(self, packet: Ipv4Packet) -> Action:
        """What happens to a packet."""
        return next((one.action for one in self._policies if one.fits(packet)), "discard")
