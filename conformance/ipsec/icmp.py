"""ICMP and ICMPv6 echo: built, parsed and answered (RFC 792, RFC 4443 4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from conformance.ipsec.ip import Ipv4Packet, Protocol, checksum, with_checksum
from conformance.ipsec.packet import empty_packet, pseudo_header

if TYPE_CHECKING:
    from conformance.ipsec.packet import Address, Packet

_ECHO = struct.Struct("!BBHHH")
_CHECKSUM_AT = 2


class IcmpType(IntEnum):
    """The two types of RFC 792's echo message; those of ICMPv6 go by the same names."""

    ECHO_REPLY = 0
    ECHO = 8


_TYPES: dict[int, dict[int, IcmpType]] = {
    Protocol.ICMP: {0: IcmpType.ECHO_REPLY, 8: IcmpType.ECHO},
    Protocol.ICMPV6: {129: IcmpType.ECHO_REPLY, 128: IcmpType.ECHO},
}
_NUMBERS_6 = {kind: number for number, kind in _TYPES[Protocol.ICMPV6].items()}


@dataclass(frozen=True, slots=True)
class IcmpEcho:
    """An echo or echo reply message (RFC 792)."""

    type: IcmpType
    identifier: int
    sequence: int
    data: bytes

    def build(self) -> bytes:
        """The octets of the ICMP message with their checksum."""
        return with_checksum(self._message(self.type), _CHECKSUM_AT)

    def between(self, source: Address, destination: Address) -> Packet:
        """The packet that carries the message, in ICMP or in ICMPv6."""
        four = isinstance(source, IPv4Address)
        return carrying(
            self._message(self.type if four else _NUMBERS_6[self.type]), source, destination
        )

    def _message(self, number: int) -> bytes:
        return _ECHO.pack(number, 0, 0, self.identifier, self.sequence) + self.data

    def answer(self) -> IcmpEcho:
        """The echo reply: everything comes back but the type."""
        return replace(self, type=IcmpType.ECHO_REPLY)


def carrying(message: bytes, source: Address, destination: Address) -> Packet:
    """The packet around an ICMP or ICMPv6 message, the checksum filled in."""
    protocol = Protocol.ICMP if isinstance(source, IPv4Address) else Protocol.ICMPV6
    packet = replace(empty_packet(source, destination, protocol), payload=message)
    pseudo = _pseudo_header(packet)
    summed = with_checksum(pseudo + message, len(pseudo) + _CHECKSUM_AT)
    return replace(packet, payload=summed[len(pseudo) :])


def message_of(packet: Packet) -> bytes | None:
    """The ICMP or ICMPv6 message of a whole packet, where its checksum holds."""
    own = Protocol.ICMP if isinstance(packet, Ipv4Packet) else Protocol.ICMPV6
    if packet.protocol != own or packet.is_fragment or len(packet.payload) < _ECHO.size:
        return None
    return None if checksum(_pseudo_header(packet) + packet.payload) else packet.payload


def _pseudo_header(packet: Packet) -> bytes:
    """ICMPv6 covers one (RFC 4443 2.3), ICMP none."""
    if isinstance(packet, Ipv4Packet):
        return b""
    return pseudo_header(packet.source, packet.destination, packet.protocol, len(packet.payload))


def echo_of(packet: Packet) -> IcmpEcho | None:
    """The echo message a packet carries, or None where it carries something else."""
    message = message_of(packet)
    if message is None:
        return None
    number, code, _, identifier, sequence = _ECHO.unpack_from(message)
    kind = _TYPES[packet.protocol].get(number)
    if kind is None or code:
        return None
    return IcmpEcho(kind, identifier, sequence, message[_ECHO.size :])


def answer_to(packet: Packet) -> Packet | None:
    """The packet that answers an echo request, or None where there is nothing to answer."""
    echo = echo_of(packet)
    if echo is None or echo.type is not IcmpType.ECHO:
        return None
    answer = replace(echo.answer().between(packet.destination, packet.source), tos=packet.tos)
    if isinstance(answer, Ipv4Packet) and isinstance(packet, Ipv4Packet):
        return replace(answer, identification=packet.identification)
    return answer
