"""The IPv4 header, built and parsed with its checksum (RFC 791, RFC 1071)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address

HEADER_SIZE = 20
"""Octets of a header without options (RFC 791 3.1)."""
MAX_TOTAL_LENGTH = 0xFFFF
"""The largest total length, in octets (RFC 791 3.1)."""
DONT_FRAGMENT, MORE_FRAGMENTS = 0b010, 0b001
"""Bits of the three-bit flags field (RFC 791 3.1)."""

_HEADER = struct.Struct("!BBHHHBBH4s4s")
_WORD = 4


class Protocol(IntEnum):
    """Protocol numbers the data plane knows (IANA)."""

    HOP_BY_HOP = 0
    ICMP = 1
    IPV4 = 4
    TCP = 6
    UDP = 17
    IPV6 = 41
    ROUTING = 43
    FRAGMENT = 44
    ESP = 50
    AH = 51
    ICMPV6 = 58
    NO_NEXT_HEADER = 59
    DESTINATION_OPTIONS = 60
    IPCOMP = 108


class MalformedPacketError(ValueError):
    """Octets that are no packet of the kind asked for; the text says which check failed."""


def checksum(data: bytes) -> int:
    """The Internet checksum: one's complement of the one's complement sum (RFC 1071 1)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:  # noqa: PLR2004  the fold of sixteen bits
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def require(condition: object, complaint: str) -> None:
    """Raise MalformedPacketError with the complaint unless the condition holds."""
    if not condition:
        raise MalformedPacketError(complaint)


@dataclass(frozen=True, slots=True)
class Ipv4Packet:
    """One IPv4 packet (RFC 791 3.1).

    ::

        +-------+-------+---------------+-------------------------------+
        |Version|  IHL  |Type of Service|          Total Length         |
        +-------+-------+---------------+-----+-------------------------+
        |         Identification        |Flags|     Fragment Offset     |
        +---------------+---------------+-----+-------------------------+
        | Time to Live  |    Protocol   |        Header Checksum        |
        +---------------+---------------+-------------------------------+
        |            Source Address, Destination Address, Options       |
        +---------------------------------------------------------------+
    """

    source: IPv4Address
    destination: IPv4Address
    protocol: int
    """Any number of IANA's table, known or not."""
    payload: bytes
    ttl: int = 64
    identification: int = 0
    tos: int = 0
    flags: int = 0
    fragment_offset: int = 0
    """In units of eight octets."""
    options: bytes = b""
    """Already padded to a multiple of four octets."""

    @classmethod
    def parse(cls, data: bytes) -> Ipv4Packet:
        """Parse one packet; octets behind the total length (link padding) are left out.

        Raises MalformedPacketError for wrong version, lengths or checksum.
        """
        require(len(data) >= HEADER_SIZE, f"{len(data)} octets are no IPv4 header")
        first, tos, total, ident, fragment, ttl, protocol, _, source, destination = (
            _HEADER.unpack_from(data)
        )
        header = (first & 0xF) * _WORD
        require(first >> 4 == Protocol.IPV4, f"IP version {first >> 4}")
        require(HEADER_SIZE <= header <= total, f"header of {header} in {total} octets")
        require(total <= len(data), f"total length {total}, present {len(data)}")
        require(checksum(data[:header]) == 0, "header checksum does not hold")
        return cls(
            IPv4Address(source),
            IPv4Address(destination),
            protocol,
            bytes(data[header:total]),
            ttl=ttl,
            identification=ident,
            tos=tos,
            flags=fragment >> 13,
            fragment_offset=fragment & 0x1FFF,
            options=bytes(data[HEADER_SIZE:header]),
        )

    def build(self) -> bytes:
        """The packet's octets, lengths and checksum filled in.

        Raises MalformedPacketError where a length does not fit its field.
        """
        header, total = HEADER_SIZE + len(self.options), self.total_length
        require(header % _WORD == 0 and header <= 0xF * _WORD, f"header of {header} octets")
        require(total <= MAX_TOTAL_LENGTH, f"total length {total}")
        fixed = _HEADER.pack(
            Protocol.IPV4 << 4 | header // _WORD,
            self.tos,
            total,
            self.identification,
            self.flags << 13 | self.fragment_offset,
            self.ttl,
            self.protocol,
            0,
            self.source.packed,
            self.destination.packed,
        )
        return with_checksum(fixed + self.options, 10) + self.payload

    @property
    def total_length(self) -> int:
        """Header and payload in octets."""
        return HEADER_SIZE + len(self.options) + len(self.payload)

    @property
    def more_fragments(self) -> bool:
        """Whether another fragment follows."""
        return bool(self.flags & MORE_FRAGMENTS)

    @property
    def is_fragment(self) -> bool:
        """Whether this is a part of a larger packet (RFC 791 3.2)."""
        return bool(self.fragment_offset or self.more_fragments)


def with_checksum(data: bytes, at: int) -> bytes:
    """``data`` with its checksum written over the two octets at offset ``at``."""
    zeroed = data[:at] + b"\0\0" + data[at + 2 :]
    return data[:at] + checksum(zeroed).to_bytes(2, "big") + data[at + 2 :]
