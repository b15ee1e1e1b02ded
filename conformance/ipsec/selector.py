"""Selectors: which packets a policy speaks of and an SA carries (RFC 4301 4.4.1.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from conformance.ipsec.ip import Protocol
from conformance.ipsec.packet import host_network

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from conformance.ipsec.packet import Address, Network, Packet

ANYWHERE = IPv4Network("0.0.0.0/0")
"""The selector that every IPv4 address fits."""
ANYWHERE_6 = IPv6Network("::/0")
"""The selector that every IPv6 address fits."""
HIDDEN = -1
"""The port of a packet that shows none: a later fragment, or a protocol without ports."""

_MAX_PORT = 0xFFFF
_SCTP, _UDP_LITE, _DCCP, _MOBILITY = 132, 136, 33, 135
WITH_PORTS = frozenset((int(Protocol.TCP), int(Protocol.UDP), _SCTP, _UDP_LITE, _DCCP))
"""Protocols whose headers begin with two ports."""


@dataclass(frozen=True, slots=True)
class AddressRange:
    """All addresses from the first to the last; ValueError where these are not in order."""

    first: Address
    last: Address

    def __post_init__(self) -> None:
        ends = self.first, self.last
        if self.first.version != self.last.version or int(self.first) > int(self.last):
            raise ValueError(f"no addresses from {ends[0]} to {ends[1]}")

    def __contains__(self, address: Address) -> bool:
        return address.version == self.first.version and int(self.first) <= int(address) <= int(
            self.last
        )

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    @property
    def network(self) -> Network:
        """The smallest network that holds them all."""
        differing = int(self.first) ^ int(self.last)
        prefix = self.first.max_prefixlen - differing.bit_length()
        if isinstance(self.first, IPv4Address):
            return IPv4Network((int(self.first), prefix), strict=False)
        return IPv6Network((int(self.first), prefix), strict=False)


class PortRange(NamedTuple):
    """Ports, ICMP types or codes from the first to the last."""

    first: int
    last: int

    @classmethod
    def of(cls, port: int) -> PortRange:
        """That one alone; as in a phase 2 identity, 0 is any (RFC 2407 4.6.2)."""
        return cls(port, port) if port else ANY_PORT

    def holds(self, port: int) -> bool:
        """Whether the port, or ``HIDDEN``, is one of them."""
        return self.first <= port <= self.last

    def __str__(self) -> str:
        if self in _PORT_WORDS:
            return _PORT_WORDS[self]
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


ANY_PORT = PortRange(HIDDEN, _MAX_PORT)
"""Any port, also one that is not shown."""
OPAQUE = PortRange(HIDDEN, HIDDEN)
"""Only packets that show no ports (RFC 4301 4.4.1.1)."""
_PORT_WORDS = {ANY_PORT: "any", OPAQUE: "opaque"}

Field = Literal["source", "destination", "protocol", "source_port", "destination_port"]
"""What of a selector may be taken from the packet (RFC 4301 4.4.1.2)."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Source and destination, next layer protocol (0 for any) and its ports.

    A protocol with types has them here as its ports: ICMP its type and its code, Mobile IPv6 the
    type of its mobility header.
    """

    source: Network | AddressRange = ANYWHERE
    destination: Network | AddressRange = ANYWHERE
    protocol: int = 0
    source_port: PortRange = ANY_PORT
    """Of ICMP and Mobile IPv6 the type."""
    destination_port: PortRange = ANY_PORT
    """Of ICMP the code."""

    def covers(self, packet: Packet, ports: tuple[int, int] | None = None) -> bool:
        """Whether the packet fits; ``ports``, where they are known from elsewhere (RFC 4301 7.3).

        A packet that shows no ports fits only any port and the opaque ones.
        """
        if packet.source not in self.source or packet.destination not in self.destination:
            return False
        if self.protocol not in (0, packet.protocol):
            return False
        wanted = self.source_port, self.destination_port
        if wanted == (ANY_PORT, ANY_PORT):
            return True
        shown = ports or ports_of(packet)
        return wanted[0].holds(shown[0]) and wanted[1].holds(shown[1])

    @property
    def mirrored(self) -> Selector:
        """The same traffic on its way back; types and codes stay as they are."""
        ports = self.source_port, self.destination_port
        if self.protocol not in _WITH_TYPES:
            ports = ports[1], ports[0]
        return Selector(self.destination, self.source, self.protocol, *ports)

    def narrowed(
        self, packet: Packet, fields: Collection[Field], ports: tuple[int, int] | None = None
    ) -> Selector:
        """With what the packet itself has in the named fields: populate from packet.

        A port that the packet does not show becomes the opaque one (RFC 4301 4.4.1.2).
        """
        shown = ports or ports_of(packet)
        found: dict[str, Any] = {name: _FROM_PACKET[name](packet, shown) for name in fields}
        return replace(self, **found)


EVERYTHING = Selector()
"""Every IPv4 packet."""


def just(packet: Packet) -> Selector:
    """What goes from the same host to the same host under the same protocol."""
    ends = host_network(packet.source), host_network(packet.destination)
    return Selector(*ends, packet.protocol)


_FROM_PACKET: dict[str, Callable[[Packet, tuple[int, int]], object]] = {
    "source": lambda packet, _: host_network(packet.source),
    "destination": lambda packet, _: host_network(packet.destination),
    "protocol": lambda packet, _: packet.protocol,
    "source_port": lambda _, ports: PortRange(ports[0], ports[0]),
    "destination_port": lambda _, ports: PortRange(ports[1], ports[1]),
}


class _Place(NamedTuple):
    """Where a protocol's header has what a selector looks at: offsets into the payload."""

    first: int
    second: int
    end: int
    """Equal to ``second`` where there is nothing second."""

    def read(self, payload: bytes) -> tuple[int, int]:
        first = int.from_bytes(payload[self.first : self.second])
        second = int.from_bytes(payload[self.second : self.end])
        return first, second if self.end > self.second else HIDDEN


_PORTS, _TYPE_AND_CODE, _MOBILITY_TYPE = _Place(0, 2, 4), _Place(0, 1, 2), _Place(2, 3, 3)
_WITH_TYPES = {
    int(Protocol.ICMP): _TYPE_AND_CODE,
    int(Protocol.ICMPV6): _TYPE_AND_CODE,
    _MOBILITY: _MOBILITY_TYPE,
}
_PLACES = _WITH_TYPES | dict.fromkeys(WITH_PORTS, _PORTS)


def ports_of(packet: Packet) -> tuple[int, int]:
    """The two ports of a packet, or type and code; ``HIDDEN`` for what it does not show.

    RFC 4301 4.4.1.1; later fragments show nothing (RFC 4301 7).
    """
    place = _PLACES.get(packet.protocol)
    if place is None or packet.fragment_offset or len(packet.payload) < place.end:
        return HIDDEN, HIDDEN
    return place.read(packet.payload)
