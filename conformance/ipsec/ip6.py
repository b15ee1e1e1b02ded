"""The IPv6 header and the extension headers ahead of ESP and AH (RFC 8200)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import NamedTuple

from conformance.ipsec.ip import MAX_TOTAL_LENGTH, Protocol, require

HEADER_SIZE = 40
"""Octets of the fixed header (RFC 8200 3)."""

_HEADER = struct.Struct("!IHBB16s16s")
_UNIT = 8
_VERSION = 6
_EXTENSIONS = frozenset(
    (Protocol.HOP_BY_HOP, Protocol.ROUTING, Protocol.FRAGMENT, Protocol.DESTINATION_OPTIONS)
)
_OFFSET_AND_MORE = 0xFFF9


class ExtensionHeader(NamedTuple):
    """One extension header (RFC 8200 4)."""

    number: int
    """The next header value that announces it."""
    body: bytes
    """Everything behind its own next header field, from the length octet on."""

    @property
    def size(self) -> int:
        """Octets with the next header field."""
        return 1 + len(self.body)


@dataclass(frozen=True, slots=True)
class Ipv6Packet:
    """One IPv6 packet (RFC 8200 3).

    ::

        +-------+---------------+---------------------------------------+
        |Version| Traffic Class |              Flow Label               |
        +-------+---------------+-------+---------------+---------------+
        |        Payload Length         |  Next Header  |   Hop Limit   |
        +-------------------------------+---------------+---------------+
        |          Source Address, Destination Address, headers         |
        +---------------------------------------------------------------+
    """

    source: IPv6Address
    destination: IPv6Address
    protocol: int
    """The next header value of the last extension header, or of the fixed one without any."""
    payload: bytes
    ttl: int = 64
    """The hop limit."""
    tos: int = 0
    """The traffic class."""
    flow_label: int = 0
    headers: tuple[ExtensionHeader, ...] = ()
    """Hop-by-hop, routing, fragment and destination options headers, as they stand."""

    @classmethod
    def parse(cls, data: bytes) -> Ipv6Packet:
        """Parse one packet; octets behind the payload length are left out.

        Raises MalformedPacketError for wrong version or lengths.
        """
        require(len(data) >= HEADER_SIZE, f"{len(data)} octets are no IPv6 header")
        first, length, number, ttl, source, destination = _HEADER.unpack_from(data)
        require(first >> 28 == _VERSION, f"IP version {first >> 28}")
        rest = bytes(data[HEADER_SIZE : HEADER_SIZE + length])
        require(len(rest) == length, f"payload length {length}, present {len(rest)}")
        headers = []
        while number in _EXTENSIONS:
            size = _size_of(number, rest)
            headers.append(ExtensionHeader(number, rest[1:size]))
            number, rest = rest[0], rest[size:]
        return cls(
            IPv6Address(source),
            IPv6Address(destination),
            number,
            rest,
            ttl=ttl,
            tos=first >> 20 & 0xFF,
            flow_label=first & 0xFFFFF,
            headers=tuple(headers),
        )

    def build(self) -> bytes:
        """The packet's octets; raises MalformedPacketError where a length does not fit."""
        numbers = [*(header.number for header in self.headers), self.protocol]
        chain = b"".join(
            bytes((number,)) + header.body
            for number, header in zip(numbers[1:], self.headers, strict=True)
        )
        length = len(chain) + len(self.payload)
        require(length <= MAX_TOTAL_LENGTH, f"payload length {length}")
        first = _VERSION << 28 | self.tos << 20 | self.flow_label
        ends = (self.source.packed, self.destination.packed)
        return _HEADER.pack(first, length, numbers[0], self.ttl, *ends) + chain + self.payload

    @property
    def total_length(self) -> int:
        """Headers and payload in octets."""
        return HEADER_SIZE + sum(header.size for header in self.headers) + len(self.payload)

    @property
    def is_fragment(self) -> bool:
        """Whether this is a part of a larger packet (RFC 8200 4.5); atomic fragments are whole."""
        return any(
            header.number == Protocol.FRAGMENT
            and int.from_bytes(header.body[1:3]) & _OFFSET_AND_MORE
            for header in self.headers
        )


def _size_of(number: int, rest: bytes) -> int:
    require(len(rest) >= _UNIT, f"{len(rest)} octets of extension header {number}")
    size = _UNIT if number == Protocol.FRAGMENT else _UNIT * (1 + rest[1])
    require(size <= len(rest), f"extension header {number} of {size} octets in {len(rest)}")
    return size
