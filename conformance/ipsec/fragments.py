"""Fragments of IPv4 and IPv6 packets: made, and told apart (RFC 791 2.3, RFC 8200 4.5)."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from conformance.ipsec.ip import DONT_FRAGMENT, HEADER_SIZE, MORE_FRAGMENTS, Ipv4Packet, Protocol
from conformance.ipsec.ip6 import HEADER_SIZE as HEADER_SIZE_6
from conformance.ipsec.ip6 import ExtensionHeader, Ipv6Packet, chained
from conformance.ipsec.options import copied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.ipsec.packet import Address, Packet

UNIT = 8
"""Octets by which fragment offsets count."""
_FRAGMENT_BODY = struct.Struct("!BHI")
_FRAGMENT_HEADER_SIZE = 8
_OFFSET_SHIFT = 3
_PER_FRAGMENT = frozenset((Protocol.HOP_BY_HOP, Protocol.ROUTING))
_TCP_MINIMUM = 16


class FragmentationNeededError(Exception):
    """A packet that must not be fragmented, or cannot be, is larger than the MTU."""

    def __init__(self, packet: Packet, mtu: int) -> None:
        super().__init__(f"{packet.total_length} octets for an MTU of {mtu}")
        self.packet = packet
        self.mtu = mtu


class FragmentKey(NamedTuple):
    """What the fragments of one packet have in common (RFC 791 3.2, RFC 8200 4.5)."""

    source: Address
    destination: Address
    identification: int
    protocol: int
    """0 for IPv6, whose fragments may differ in it."""


class Piece(NamedTuple):
    """What one fragment contributes to its packet."""

    start: int
    """The offset, in octets."""
    data: bytes
    more: bool

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.start + len(self.data)


def fragment(packet: Packet, mtu: int, identification: int = 0) -> list[Packet]:
    """The fragments of ``packet`` that an MTU lets through, or ``packet`` alone where it fits.

    ``identification`` is that of IPv6's fragment header: an IPv4 packet has its own. Raises
    FragmentationNeededError for DF, and for what no header can be kept together of.
    """
    if packet.total_length <= mtu:
        return [packet]
    if isinstance(packet, Ipv4Packet):
        return list(_fragments_4(packet, mtu))
    return list(_fragments_6(packet, mtu, identification))


def _room(packet: Packet, mtu: int, header: int) -> int:
    """Octets of data that one fragment takes (RFC 791 3.2: a multiple of eight)."""
    room = (mtu - header) // UNIT * UNIT
    if room < UNIT:
        raise FragmentationNeededError(packet, mtu)
    return room


def _fragments_4(packet: Ipv4Packet, mtu: int) -> Iterator[Packet]:
    if packet.flags & DONT_FRAGMENT:
        raise FragmentationNeededError(packet, mtu)
    last, options, start = packet.flags, packet.options, 0
    while start < len(packet.payload):
        room = _room(packet, mtu, HEADER_SIZE + len(options))
        whole = len(packet.payload) - start <= mtu - HEADER_SIZE - len(options)
        data = packet.payload[start:] if whole else packet.payload[start : start + room]
        yield replace(
            packet,
            payload=data,
            options=options,
            flags=last if whole else last | MORE_FRAGMENTS,
            fragment_offset=packet.fragment_offset + start // UNIT,
        )
        start += len(data)
        options = copied(packet.options)


def _fragments_6(packet: Ipv6Packet, mtu: int, identification: int) -> Iterator[Packet]:
    if packet.is_fragment:
        raise FragmentationNeededError(packet, mtu)
    around, within = per_fragment_headers(packet)
    number, chain = chained(within, packet.protocol)
    size = HEADER_SIZE_6 + sum(one.size for one in around) + _FRAGMENT_HEADER_SIZE
    room = _room(packet, mtu, size)
    # All headers stand in the first fragment (RFC 8200 4.5).
    if len(chain) > room:
        raise FragmentationNeededError(packet, mtu)
    data = chain + packet.payload
    for start in range(0, len(data), room):
        field = start | (start + room < len(data))
        body = _FRAGMENT_BODY.pack(0, field, identification)
        headers = (*around, ExtensionHeader(Protocol.FRAGMENT, body))
        part = data[start : start + room]
        if start:
            yield replace(packet, headers=headers, protocol=number, payload=part)
        else:
            yield replace(packet, headers=headers + within, payload=part[len(chain) :])


def per_fragment_headers(
    packet: Ipv6Packet,
) -> tuple[tuple[ExtensionHeader, ...], tuple[ExtensionHeader, ...]]:
    """The headers that every fragment repeats, and those within the fragmentable part.

    Up to the routing header, else the hop-by-hop options (RFC 8200 4.5); no fragment header.
    """
    headers = [one for one in packet.headers if one.number != Protocol.FRAGMENT]
    count = max((at for at, one in enumerate(headers, 1) if one.number in _PER_FRAGMENT), default=0)
    return tuple(headers[:count]), tuple(headers[count:])


def key_of(packet: Packet) -> FragmentKey:
    """What a fragment shares with the others of its packet alone."""
    if isinstance(packet, Ipv4Packet):
        identification, protocol = packet.identification, packet.protocol
    else:
        header = packet.fragment_header
        identification = int.from_bytes(header.body[3:7]) if header else 0
        protocol = 0
    return FragmentKey(packet.source, packet.destination, identification, protocol)


def piece_of(packet: Packet) -> Piece:
    """What a fragment contributes to its packet."""
    data = packet.payload
    if isinstance(packet, Ipv6Packet):
        data = chained(behind_fragment_header(packet), packet.protocol)[1] + data
    return Piece(packet.fragment_offset * UNIT, data, packet.more_fragments)


def behind_fragment_header(packet: Ipv6Packet) -> tuple[ExtensionHeader, ...]:
    """The headers of the fragmentable part, as far as this fragment has them."""
    numbers = [one.number for one in packet.headers]
    return packet.headers[numbers.index(Protocol.FRAGMENT) + 1 :]


def is_suspicious(packet: Packet) -> bool:
    """Whether a fragment of TCP over IPv4 is so cut that its header could be overwritten.

    The minimum offset check of RFC 4301 7.2, as RFC 1858 3.2.2 has it.
    """
    if not isinstance(packet, Ipv4Packet) or packet.protocol != Protocol.TCP:
        return False
    if not packet.is_fragment or packet.fragment_offset * UNIT >= _TCP_MINIMUM:
        return False
    return packet.fragment_offset > 0 or len(packet.payload) < _TCP_MINIMUM
