"""The IPv6 header and the extension headers ahead of ESP and AH (RFC 8200)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, NamedTuple

from conformance.ipsec.ip import MAX_TOTAL_LENGTH, Protocol, require

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER_SIZE = 40
"""Octets of the fixed header (RFC 8200 3)."""
MINIMUM_MTU = 1280
"""What every link carries whole (RFC 8200 5)."""

_HEADER = struct.Struct("!IHBB16s16s")
_UNIT = 8
_VERSION = 6
_EXTENSIONS = frozenset(
    (Protocol.HOP_BY_HOP, Protocol.ROUTING, Protocol.FRAGMENT, Protocol.DESTINATION_OPTIONS)
)
_OFFSET_SHIFT, _MORE = 3, 1


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

    @property
    def fragment_offset(self) -> int:
        """Of a fragment header, in units of eight octets (RFC 8200 4.5); 0 of any other."""
        return _fragment_field(self) >> _OFFSET_SHIFT


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
    """The next header value of the last header here; a later fragment's is the first one's."""
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

        What follows the fragment header of a later fragment is no header (RFC 8200 4.5).
        Raises MalformedPacketError for wrong version or lengths.
        """
        require(len(data) >= HEADER_SIZE, f"{len(data)} octets are no IPv6 header")
        first, length, number, ttl, source, destination = _HEADER.unpack_from(data)
        require(first >> 28 == _VERSION, f"IP version {first >> 28}")
        rest = bytes(data[HEADER_SIZE : HEADER_SIZE + length])
        require(len(rest) == length, f"payload length {length}, present {len(rest)}")
        headers: list[ExtensionHeader] = []
        at = 0
        while number in _EXTENSIONS and not (headers and headers[-1].fragment_offset):
            end = at + _size_of(number, rest, at)
            headers.append(ExtensionHeader(number, rest[at + 1 : end]))
            number, at = rest[at], end
        return cls(
            IPv6Address(source),
            IPv6Address(destination),
            number,
            rest[at:],
            ttl=ttl,
            tos=first >> 20 & 0xFF,
            flow_label=first & 0xFFFFF,
            headers=tuple(headers),
        )

    def build(self) -> bytes:
        """The packet's octets; raises MalformedPacketError where a length does not fit."""
        number, extensions = chained(self.headers, self.protocol)
        length = len(extensions) + len(self.payload)
        require(length <= MAX_TOTAL_LENGTH, f"payload length {length}")
        first = _VERSION << 28 | self.tos << 20 | self.flow_label
        ends = (self.source.packed, self.destination.packed)
        return _HEADER.pack(first, length, number, self.ttl, *ends) + extensions + self.payload

    @property
    def total_length(self) -> int:
        """Headers and payload in octets."""
        return HEADER_SIZE + sum(header.size for header in self.headers) + len(self.payload)

    @property
    def fragment_header(self) -> ExtensionHeader | None:
        """The fragment header, if there is one (RFC 8200 4.5)."""
        return next((one for one in self.headers if one.number == Protocol.FRAGMENT), None)

    @property
    def fragment_offset(self) -> int:
        """Where this fragment belongs, in units of eight octets."""
        return self.fragment_header.fragment_offset if self.fragment_header else 0

    @property
    def more_fragments(self) -> bool:
        """Whether another fragment follows."""
        return self.fragment_header is not None and bool(
            _fragment_field(self.fragment_header) & _MORE
        )

    @property
    def is_fragment(self) -> bool:
        """Whether this is a part of a larger packet (RFC 8200 4.5); atomic fragments are whole."""
        return bool(self.fragment_offset) or self.more_fragments


def chained(headers: Sequence[ExtensionHeader], protocol: int) -> tuple[int, bytes]:
    """The next header value that announces the first of these, and their octets."""
    numbers = [*(header.number for header in headers), protocol]
    octets = (
        bytes((number,)) + header.body for number, header in zip(numbers[1:], headers, strict=True)
    )
    return numbers[0], b"".join(octets)


def _fragment_field(header: ExtensionHeader) -> int:
    return int.from_bytes(header.body[1:3]) if header.number == Protocol.FRAGMENT else 0


def _size_of(number: int, rest: bytes, at: int) -> int:
    left = len(rest) - at
    require(left >= _UNIT, f"{left} octets of extension header {number}")
    size = _UNIT if number == Protocol.FRAGMENT else _UNIT * (1 + rest[at + 1])
    require(size <= left, f"extension header {number} of {size} octets in {left}")
    return size
