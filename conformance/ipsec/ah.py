"""The Authentication Header without state (RFC 4302, RFC 4543 4)."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.header import Header, extended
from conformance.ipsec.ip import Ipv4Packet, MalformedPacketError, Protocol
from conformance.ipsec.mutable import covered
from conformance.ipsec.transforms import INTEGRITY

if TYPE_CHECKING:
    from conformance.ipsec.association import SecurityAssociation
    from conformance.ipsec.packet import Packet

_HEADER = struct.Struct("!BBHII")
_WORD = 4
_IPV4_ALIGNMENT, _IPV6_ALIGNMENT = 4, 8


def read_header(payload: bytes) -> Header:
    """SPI and sequence number (RFC 4302 2.4, 2.5); drops with IN_HEADER where it is too short.

    ::

        | next header | length | reserved | SPI | sequence number | IV, ICV, padding |
    """
    if len(payload) < _HEADER.size:
        raise PacketDroppedError(DropReason.IN_HEADER, f"{len(payload)} octets of AH")
    _, _, _, spi, sequence = _HEADER.unpack_from(payload)
    return Header(spi, sequence)


def protect(sa: SecurityAssociation, packet: Packet, sequence: int, iv: bytes) -> Packet:
    """``packet`` with AH ahead of its payload (RFC 4302 3.1, 3.3.3)."""
    mac = INTEGRITY[sa.integrity]
    alignment = _IPV4_ALIGNMENT if isinstance(packet, Ipv4Packet) else _IPV6_ALIGNMENT
    size = _HEADER.size + len(iv) + mac.icv_size
    padding = bytes(-size % alignment)
    length = (size + len(padding)) // _WORD - 2
    fixed = _HEADER.pack(packet.protocol, length, 0, sa.spi, sequence & 0xFFFFFFFF)

    def carrying(icv: bytes) -> Packet:
        payload = fixed + iv + icv + padding + packet.payload
        return replace(packet, protocol=Protocol.AH, payload=payload)

    # Of GMAC's authentication data only the ICV counts as zeros (RFC 4543 4, Figure 5).
    data = covered(carrying(bytes(mac.icv_size)), sending=True)
    icv = sa.keyed_mac.compute(iv + data + extended(sa, sequence))
    return carrying(icv)


def authenticate(sa: SecurityAssociation, packet: Packet, sequence: int) -> bytes:
    """The next header and the octets behind AH, once the ICV holds (RFC 4302 3.4.4).

    The padding may be up to seven octets: some align AH to eight octets in IPv4 too.
    """
    mac, payload = INTEGRITY[sa.integrity], packet.payload
    end = (payload[1] + 2) * _WORD
    start = _HEADER.size + mac.iv_size
    padding = end - start - mac.icv_size
    if end > len(payload) or not 0 <= padding < _IPV6_ALIGNMENT:
        raise PacketDroppedError(DropReason.IN_LENGTH, f"AH of {end} octets")
    at = slice(start, start + mac.icv_size)
    zeroed = payload[: at.start] + bytes(mac.icv_size) + payload[at.stop :]
    try:
        data = covered(replace(packet, payload=zeroed), sending=False)
    except MalformedPacketError as error:
        raise PacketDroppedError(DropReason.IN_HEADER, str(error)) from error
    iv = payload[_HEADER.size : start]
    if not sa.keyed_mac.verify(iv + data + extended(sa, sequence), payload[at]):
        raise PacketDroppedError(DropReason.IN_INTEGRITY, f"{mac.icv_size} octets of ICV")
    return payload[:1] + payload[end:]


def release(_: SecurityAssociation, packet: Packet, verified: bytes) -> Packet:
    """``packet`` as it was before AH."""
    return replace(packet, protocol=verified[0], payload=verified[1:])
