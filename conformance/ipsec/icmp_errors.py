"""ICMP and ICMPv6 error messages: made about a packet, and read (RFC 792, RFC 1191, RFC 4443)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from conformance.ipsec.icmp import carrying, message_of
from conformance.ipsec.ip import (
    HEADER_SIZE,
    Ipv4Packet,
    MalformedPacketError,
    Protocol,
    require,
    with_checksum,
)
from conformance.ipsec.ip6 import HEADER_SIZE as HEADER_SIZE_6
from conformance.ipsec.ip6 import MINIMUM_MTU
from conformance.ipsec.packet import empty_packet, parse_packet
from conformance.ipsec.selector import WITH_PORTS

if TYPE_CHECKING:
    from conformance.ipsec.packet import Address, Packet

_HEADER = struct.Struct("!BBHI")
_FRAGMENTATION_NEEDED = 4
"""The code of a destination unreachable that tells an MTU (RFC 792, RFC 1191 4)."""
_MTU_MASK_4 = 0xFFFF
_MOST_4, _MOST_6 = 576, MINIMUM_MTU
"""Octets of an error's packet (RFC 1812 4.3.2.3, RFC 4443 3)."""
_ERRORS_4 = frozenset((3, 4, 5, 11, 12))
"""Types of ICMP about which no error is sent (RFC 1122 3.2.2)."""
_ERRORS_6 = frozenset((*range(128), 137))
"""Types of ICMPv6 about which no error is sent (RFC 4443 2.4)."""


class ErrorKind(Enum):
    """What an error says, whichever the IP version."""

    UNREACHABLE = "destination unreachable"
    TOO_BIG = "packet too big"
    """In IPv4: fragmentation needed and DF set."""
    TIME_EXCEEDED = "time exceeded"
    """Code 0 in transit, 1 in reassembly."""


_TYPES = {
    Protocol.ICMP: {
        ErrorKind.UNREACHABLE: 3,
        ErrorKind.TIME_EXCEEDED: 11,
    },
    Protocol.ICMPV6: {
        ErrorKind.UNREACHABLE: 1,
        ErrorKind.TOO_BIG: 2,
        ErrorKind.TIME_EXCEEDED: 3,
    },
}


@dataclass(frozen=True, slots=True)
class IcmpError:
    """An error message, and what it quotes of the packet that it is about."""

    kind: ErrorKind
    code: int
    mtu: int
    """Of the next hop; 0 where none is told, as by routers older than RFC 1191."""
    quoted: bytes
    """The packet's first octets, which nobody has authenticated."""

    @property
    def about(self) -> Packet | None:
        """The packet as far as it is quoted; None where not even its headers are."""
        try:
            return parse_packet(_shortened(self.quoted))
        except MalformedPacketError:
            return None

    @property
    def length(self) -> int:
        """The total length of the packet, by its own header; 0 where that is not quoted."""
        return _length_of(self.quoted)


def error_of(packet: Packet) -> IcmpError | None:
    """The error that a packet tells, or None where it carries something else."""
    message = message_of(packet)
    if message is None:
        return None
    number, code, _, word = _HEADER.unpack_from(message)
    kinds = {of_kind: kind for kind, of_kind in _TYPES[Protocol(packet.protocol)].items()}
    if number not in kinds:
        return None
    kind, mtu = kinds[number], 0
    if isinstance(packet, Ipv4Packet) and (number, code) == (3, _FRAGMENTATION_NEEDED):
        kind, mtu = ErrorKind.TOO_BIG, word & _MTU_MASK_4
    elif kind is ErrorKind.TOO_BIG:
        mtu = word
    return IcmpError(kind, code, mtu, message[_HEADER.size :])


def turned_round(packet: Packet) -> Packet | None:
    """The quoted packet of an error, its ends exchanged; None of a packet that tells no error.

    By it policies and SAs are found for an error that is none of their traffic (RFC 4301 6.2).
    """
    error = error_of(packet)
    about = error.about if error else None
    if about is None or about.source != packet.destination:
        return None
    ports = about.payload[2:4] + about.payload[:2] if about.protocol in WITH_PORTS else b""
    back = empty_packet(about.destination, about.source, about.protocol)
    return replace(back, payload=ports or about.payload)


def error_about(
    packet: Packet, kind: ErrorKind, router: Address, *, code: int = 0, mtu: int = 0
) -> Packet | None:
    """What ``router`` tells the packet's source; None where it must not (RFC 1122, RFC 4443 2.4).

    ``mtu`` is told by a packet too big alone, whose code is the version's own.
    """
    if not _may_be_told(packet, kind):
        return None
    if isinstance(packet, Ipv4Packet):
        number = 3 if kind is ErrorKind.TOO_BIG else _TYPES[Protocol.ICMP][kind]
        code = _FRAGMENTATION_NEEDED if kind is ErrorKind.TOO_BIG else code
        room = _MOST_4 - HEADER_SIZE - _HEADER.size
    else:
        number = _TYPES[Protocol.ICMPV6][kind]
        room = _MOST_6 - HEADER_SIZE_6 - _HEADER.size
    message = _HEADER.pack(number, code, 0, mtu) + packet.build()[:room]
    return carrying(message, router, packet.source)


def _may_be_told(packet: Packet, kind: ErrorKind) -> bool:
    source, destination = packet.source, packet.destination
    if source.is_unspecified or source.is_multicast:
        return False
    four = isinstance(packet, Ipv4Packet)
    if destination.is_multicast and (four or kind is not ErrorKind.TOO_BIG):
        return False
    if four and (packet.fragment_offset or source.is_reserved or int(destination) == 2**32 - 1):
        return False
    protocol, errors = (Protocol.ICMP, _ERRORS_4) if four else (Protocol.ICMPV6, _ERRORS_6)
    if packet.protocol != protocol or packet.fragment_offset:
        return True
    return bool(packet.payload) and packet.payload[0] not in errors


def _length_of(quoted: bytes) -> int:
    if len(quoted) < HEADER_SIZE:
        return 0
    if quoted[0] >> 4 == Protocol.IPV4:
        return int.from_bytes(quoted[2:4])
    return HEADER_SIZE_6 + int.from_bytes(quoted[4:6])


def _shortened(quoted: bytes) -> bytes:
    """The same with a length field of what is there."""
    length = min(_length_of(quoted), len(quoted))
    require(length >= HEADER_SIZE, f"{len(quoted)} octets quoted")
    if quoted[0] >> 4 == Protocol.IPV4:
        size = 4 * (quoted[0] & 0xF)
        require(HEADER_SIZE <= size <= length, f"{length} octets of an IPv4 header of {size}")
        header = quoted[:2] + length.to_bytes(2) + quoted[4:size]
        return with_checksum(header, 10) + quoted[size:length]
    require(length >= HEADER_SIZE_6, f"{length} octets of an IPv6 header")
    return quoted[:4] + (length - HEADER_SIZE_6).to_bytes(2) + quoted[6:length]
