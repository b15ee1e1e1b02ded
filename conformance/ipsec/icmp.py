"""ICMP echo: built, parsed and answered (RFC 792)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from conformance.ipsec.ip import Ipv4Packet, MalformedPacketError, Protocol, checksum, with_checksum

if TYPE_CHECKING:
    from conformance.ipsec.packet import Packet

_ECHO = struct.Struct("!BBHHH")


class IcmpType(IntEnum):
    """The two types of RFC 792's echo message."""

    ECHO_REPLY = 0
    ECHO = 8


@dataclass(frozen=True, slots=True)
class IcmpEcho:
    """An echo or echo reply message (RFC 792)."""

    type: IcmpType
    identifier: int
    sequence: int
    data: bytes

    @classmethod
    def parse(cls, message: bytes) -> IcmpEcho:
        """Parse an ICMP message; raises MalformedPacketError for another type or a bad checksum."""
        if len(message) < _ECHO.size or checksum(message):
            raise MalformedPacketError("too short for ICMP echo, or its checksum does not hold")
        kind, code, _, identifier, sequence = _ECHO.unpack_from(message)
        if code or kind not in set(IcmpType):
            raise MalformedPacketError(f"ICMP type {kind} code {code} is no echo")
        return cls(IcmpType(kind), identifier, sequence, message[_ECHO.size :])

    def build(self) -> bytes:
        """The message's octets with their checksum."""
        fixed = _ECHO.pack(self.type, 0, 0, self.identifier, self.sequence)
        return with_checksum(fixed + self.data, 2)

    def answer(self) -> IcmpEcho:
        """The echo reply: everything comes back but the type."""
        return replace(self, type=IcmpType.ECHO_REPLY)


def echo_of(packet: Packet) -> IcmpEcho | None:
    """The echo message a packet carries, or None where it carries something else."""
    if packet.protocol != Protocol.ICMP or packet.is_fragment:
        return None
    try:
        return IcmpEcho.parse(packet.payload)
    except MalformedPacketError:
        return None


def answer_to(packet: Packet) -> Ipv4Packet | None:
    """The packet that answers an echo request, or None where there is nothing to answer."""
    echo = echo_of(packet)
    if echo is None or echo.type is not IcmpType.ECHO or not isinstance(packet, Ipv4Packet):
        return None
    return Ipv4Packet(
        packet.destination,
        packet.source,
        Protocol.ICMP,
        echo.answer().build(),
        identification=packet.identification,
        tos=packet.tos,
    )
