"""What AH's ICV covers of a packet: headers with their mutable fields zeroed (RFC 4302 3.3.3.1)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from conformance.ipsec.ip import Ipv4Packet, MalformedPacketError, Protocol, require
from conformance.ipsec.options import options_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conformance.ipsec.ip6 import ExtensionHeader, Ipv6Packet
    from conformance.ipsec.packet import Packet

_IMMUTABLE = frozenset((0x00, 0x01, 0x82, 0x85, 0x86, 0x94, 0x95))
"""Types, copy bit and class included, of the IPv4 options that nobody changes (RFC 4302 A1).

Every other one counts as zeros, whether the table has it or not (RFC 4302 3.3.3.1).
"""
_SOURCE_ROUTES = frozenset((0x83, 0x89))
"""Loose and strict source route (RFC 791 3.1)."""
_PREDICTABLE = frozenset((0, 2))
"""Types of routing headers whose last form is known (RFC 4302 A2; RFC 6275 6.4 for type 2)."""
_ROUTE_HEADER = 3
_CHANGES_EN_ROUTE = 0x20
_PAD_1 = 0
_IPV4_SIZE, _IPV6_SIZE = 4, 16
_CHECKSUM = slice(10, 12)


def covered(packet: Packet, *, sending: bool) -> bytes:
    """The octets that the ICV covers; ``sending``: before any router has seen the packet.

    Raises MalformedPacketError for options that cannot be read.
    """
    if isinstance(packet, Ipv4Packet):
        return _covered_4(packet, sending=sending)
    return _covered_6(packet, sending=sending)


def _covered_4(packet: Ipv4Packet, *, sending: bool) -> bytes:
    options = list(options_of(packet.options))
    still = replace(
        packet,
        destination=_last_hop(packet, options) if sending else packet.destination,
        tos=0,
        flags=0,
        fragment_offset=0,
        ttl=0,
        options=b"".join(map(_without_mutable, options)),
    )
    octets = bytearray(still.build())
    octets[_CHECKSUM] = bytes(2)
    return bytes(octets)


def _without_mutable(option: bytes) -> bytes:
    return option if option[0] in _IMMUTABLE else bytes(len(option))


def _last_hop(packet: Ipv4Packet, options: list[bytes]) -> IPv4Address:
    """The destination as the receiver will see it (RFC 4302 3.3.3.1.1.2)."""
    for option in options:
        if option[0] in _SOURCE_ROUTES and len(option) >= _ROUTE_HEADER + _IPV4_SIZE:
            pointer = option[2] - 1
            left = option[pointer:] if pointer >= _ROUTE_HEADER else b""
            return (
                IPv4Address(left[-_IPV4_SIZE:]) if len(left) >= _IPV4_SIZE else packet.destination
            )
    return packet.destination


def _covered_6(packet: Ipv6Packet, *, sending: bool) -> bytes:
    still = replace(packet, tos=0, flow_label=0, ttl=0)
    if sending:
        still = _as_received(still)
    return replace(still, headers=tuple(map(_still_header, _seen(still)))).build()


def _seen(packet: Ipv6Packet) -> Iterator[ExtensionHeader]:
    """Fragment headers are skipped over (RFC 4302 A2)."""
    return (header for header in packet.headers if header.number != Protocol.FRAGMENT)


def _still_header(header: ExtensionHeader) -> ExtensionHeader:
    still = _STILL.get(header.number)
    return header if still is None else header._replace(body=still(header.body))


def _still_options(body: bytes) -> bytes:
    """The data of options that change en route is zeroed, their type and length stay."""
    still, at = bytearray(body), 1
    while at < len(body):
        if body[at] == _PAD_1:
            at += 1
            continue
        require(at + 1 < len(body) and at + 2 + body[at + 1] <= len(body), "IPv6 option's length")
        end = at + 2 + body[at + 1]
        if body[at] & _CHANGES_EN_ROUTE:
            still[at + 2 : end] = bytes(end - at - 2)
        at = end
    return bytes(still)


_STILL: dict[int, Callable[[bytes], bytes]] = {
    Protocol.HOP_BY_HOP: _still_options,
    Protocol.DESTINATION_OPTIONS: _still_options,
}


def _as_received(packet: Ipv6Packet) -> Ipv6Packet:
    """Addresses in the order in which the last hop gets them (RFC 4302 3.3.3.1.2.3).

    ::

        | length | type | segments left | 4 reserved | address 1 | address 2 | ...
    """
    headers = list(packet.headers)
    for index, header in enumerate(headers):
        body = header.body
        if header.number != Protocol.ROUTING or not body[2]:
            continue
        require(body[1] in _PREDICTABLE, f"no telling how routing type {body[1]} will arrive")
        addresses = [body[at : at + _IPV6_SIZE] for at in range(7, len(body), _IPV6_SIZE)]
        left = body[2]
        if left > len(addresses) or len(addresses[-1]) != _IPV6_SIZE:
            raise MalformedPacketError(f"{left} segments left of {len(addresses)}")
        hops = [packet.destination.packed, *addresses[-left:]]
        visited = addresses[: len(addresses) - left] + hops[:-1]
        headers[index] = header._replace(body=body[:2] + b"\0" + body[3:7] + b"".join(visited))
        return replace(packet, destination=IPv6Address(hops[-1]), headers=tuple(headers))
    return packet
