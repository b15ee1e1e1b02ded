"""IP payload compression without state (RFC 3173, RFC 2394)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.header import Header
from conformance.ipsec.ip import MAX_TOTAL_LENGTH, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.association import SecurityAssociation
    from conformance.ipsec.packet import Packet

_HEADER = struct.Struct("!BBH")
_RAW = -15
"""DEFLATE without zlib's header and checksum, with the largest window."""


class CompressionTransform(NamedTuple):
    """An algorithm of IPComp."""

    name: str
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes], bytes | None]
    """None for what is not compressed so, or would be larger than any packet."""
    threshold: int
    """Octets of payload below which compression is not tried."""
    source: str


def _deflate(plain: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=_RAW)
    return compressor.compress(plain) + compressor.flush()


def _inflate(packed: bytes) -> bytes | None:
    inflater = zlib.decompressobj(_RAW)
    try:
        plain = inflater.decompress(packed, MAX_TOTAL_LENGTH + 1)
    except zlib.error:
        return None
    # What is behind the end of the stream nobody has compressed.
    whole = inflater.eof and not inflater.unused_data and not inflater.unconsumed_tail
    return plain if whole and len(plain) <= MAX_TOTAL_LENGTH else None


COMPRESSION = {
    row.name: row for row in (CompressionTransform("deflate", _deflate, _inflate, 90, "RFC 2394"),)
}
"""Every algorithm by its name."""


def read_header(payload: bytes) -> Header:
    """The CPI (RFC 3173 3.3); drops with IN_HEADER where it is too short.

    ::

        | next header | flags, zero | CPI | compressed payload |
    """
    if len(payload) < _HEADER.size:
        raise PacketDroppedError(DropReason.IN_HEADER, f"{len(payload)} octets of IPComp")
    # Flags are reserved, and ignored by the receiver (RFC 3173 3.3).
    _, _, cpi = _HEADER.unpack_from(payload)
    return Header(cpi)


def protect(sa: SecurityAssociation, packet: Packet, _sequence: int, _iv: bytes) -> Packet:
    """``packet`` compressed, or as it is where that saves nothing (RFC 3173 2.2)."""
    transform = COMPRESSION[sa.compression]
    if len(packet.payload) < transform.threshold:
        return packet
    packed = transform.compress(packet.payload)
    if len(packed) + _HEADER.size >= len(packet.payload):
        return packet
    payload = _HEADER.pack(packet.protocol, 0, sa.spi) + packed
    return replace(packet, protocol=Protocol.IPCOMP, payload=payload)


def authenticate(_sa: SecurityAssociation, packet: Packet, _sequence: int) -> bytes:
    """The payload as it is: IPComp proves nothing."""
    return packet.payload


def release(sa: SecurityAssociation, packet: Packet, payload: bytes) -> Packet:
    """``packet`` as it was before IPComp; drops with IN_COMPRESSION where it cannot be."""
    plain = COMPRESSION[sa.compression].decompress(payload[_HEADER.size :])
    if plain is None:
        raise PacketDroppedError(DropReason.IN_COMPRESSION, f"{len(payload)} octets of IPComp")
    return replace(packet, protocol=payload[0], payload=plain)
