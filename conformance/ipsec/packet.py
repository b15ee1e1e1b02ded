"""A packet of either IP version, as the data plane handles both alike (RFC 791, RFC 8200)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

from conformance.ipsec.ip import Ipv4Packet, Protocol, require
from conformance.ipsec.ip6 import Ipv6Packet

if TYPE_CHECKING:
    from collections.abc import Callable

Packet = Ipv4Packet | Ipv6Packet
"""Both have source, destination, protocol, payload, ttl, tos, build and total_length; of fragments
also fragment_offset, more_fragments and is_fragment."""
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PARSERS: dict[int, Callable[[bytes], Packet]] = {
    Protocol.IPV4: Ipv4Packet.parse,
    Protocol.IPV6: Ipv6Packet.parse,
}
"""What reads the packet that a next header value announces."""
NUMBERS: dict[type[Packet], int] = {Ipv4Packet: Protocol.IPV4, Ipv6Packet: Protocol.IPV6}
"""The next header value that announces a packet."""
_PSEUDO_4, _PSEUDO_6 = struct.Struct("!HH"), struct.Struct("!II")
_VERSIONS: dict[int, Callable[[bytes], Packet]] = {4: Ipv4Packet.parse, 6: Ipv6Packet.parse}


def empty_packet(source: Address, destination: Address, protocol: int) -> Packet:
    """A packet without payload of the version of its source; ValueError where they differ."""
    if isinstance(source, IPv4Address):
        return Ipv4Packet(source, IPv4Address(destination), protocol, b"")
    return Ipv6Packet(source, IPv6Address(destination), protocol, b"")


def pseudo_header(source: Address, destination: Address, protocol: int, length: int) -> bytes:
    """What an upper layer checksum covers of the IP header (RFC 9293 3.1, RFC 8200 8.1)."""
    six = isinstance(source, IPv6Address)
    numbers = _PSEUDO_6.pack(length, protocol) if six else _PSEUDO_4.pack(protocol, length)
    return source.packed + destination.packed + numbers


def host_network(address: Address) -> Network:
    """The network that is this address alone."""
    return IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(address)


def parse_packet(data: bytes) -> Packet:
    """Parse a packet of the version that it names; raises MalformedPacketError."""
    require(data, "no packet at all")
    version = data[0] >> 4
    require(version in _VERSIONS, f"IP version {version}")
    return _VERSIONS[version](data)
