"""Tunnel and transport mode: the outer header, made and taken off (RFC 4301 5.1.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.ip import MAX_TOTAL_LENGTH, Ipv4Packet, MalformedPacketError, Protocol
from conformance.ipsec.ip6 import Ipv6Packet
from conformance.ipsec.packet import NUMBERS, PARSERS, Packet, empty_packet

if TYPE_CHECKING:
    from conformance.ipsec.association import SecurityAssociation


def enter(sa: SecurityAssociation, packet: Packet, identification: int = 0) -> Packet:
    """The packet whose payload the SA is to protect: ``packet`` itself, or in a tunnel around it.

    ``identification`` is an IPv4 tunnel header's. Drops what transport mode cannot carry.
    """
    return _ENTER[sa.mode](sa, packet, identification)


def _enter_transport(sa: SecurityAssociation, packet: Packet, _: int) -> Packet:
    if (packet.source, packet.destination) != (sa.source, sa.destination) or packet.is_fragment:
        between = f"{packet.source} to {packet.destination}, fragment: {packet.is_fragment}"
        raise PacketDroppedError(DropReason.OUT_MODE, between)
    return behind_routing(packet) if isinstance(packet, Ipv6Packet) else packet


def behind_routing(packet: Ipv6Packet) -> Ipv6Packet:
    """Destination options behind a routing header are for the final host (RFC 4303 3.1.1)."""
    numbers = [header.number for header in packet.headers]
    if Protocol.ROUTING not in numbers:
        return packet
    options = Protocol.DESTINATION_OPTIONS
    start = numbers.index(Protocol.ROUTING)
    at = next((i for i, one in enumerate(numbers) if i > start and one == options), len(numbers))
    if at == len(numbers):
        return packet
    whole = replace(packet, headers=packet.headers[at:]).build()
    return replace(packet, headers=packet.headers[:at], protocol=options, payload=whole[40:])


def _enter_tunnel(sa: SecurityAssociation, inner: Packet, identification: int) -> Packet:
    number, payload = NUMBERS[type(inner)], inner.build()
    outer = replace(empty_packet(sa.source, sa.destination, number), payload=payload)
    if isinstance(outer, Ipv4Packet):
        outer = replace(outer, identification=identification)
    return sa.tunnel_header.around(inner, outer)


_ENTER = {"transport": _enter_transport, "tunnel": _enter_tunnel}


def leave(sa: SecurityAssociation, packet: Packet) -> Packet:
    """The packet that ``enter`` was given; drops with IN_MODE where there is no tunnel.

    Drops with IN_CONGESTION where the tunnel met congestion of which its ends hear by a loss.
    """
    return _LEAVE[sa.mode](sa, packet)


def _leave_transport(_: SecurityAssociation, packet: Packet) -> Packet:
    if not isinstance(packet, Ipv6Packet):
        if packet.total_length > MAX_TOTAL_LENGTH:
            raise PacketDroppedError(DropReason.IN_MODE, f"total length {packet.total_length}")
        return packet
    try:
        return Ipv6Packet.parse(packet.build())
    except MalformedPacketError as error:
        raise PacketDroppedError(DropReason.IN_MODE, f"extension headers: {error}") from error


def _leave_tunnel(sa: SecurityAssociation, outer: Packet) -> Packet:
    if outer.protocol not in PARSERS:
        raise PacketDroppedError(DropReason.IN_MODE, f"next header {outer.protocol} in a tunnel")
    try:
        inner = PARSERS[outer.protocol](outer.payload)
    except MalformedPacketError as error:
        raise PacketDroppedError(DropReason.IN_MODE, f"inner packet: {error}") from error
    return sa.tunnel_header.off(outer, inner)


_LEAVE = {"transport": _leave_transport, "tunnel": _leave_tunnel}
