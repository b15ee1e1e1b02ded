"""ESP in UDP, and what NATs do to transport mode's checksums (RFC 3948)."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.ip import Ipv4Packet, Protocol, checksum

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from conformance.ipsec.association import UdpEncapsulation
    from conformance.ipsec.packet import Packet

PORT = 4500
"""RFC 3947 3.2, RFC 3948 2.1."""
NON_ESP_MARKER = bytes(4)
"""What stands ahead of IKE on the port of ESP (RFC 3948 2.2)."""
KEEPALIVE = b"\xff"
"""A datagram that only keeps a NAT's mapping alive (RFC 3948 2.3)."""

_HEADER = struct.Struct("!HHHH")
_CHECKSUM_AT = {Protocol.TCP: 16, Protocol.UDP: 6}
"""Where the checksum over a pseudo-header stands (RFC 9293 3.1, RFC 768)."""

Kind = Literal["esp", "ike", "keepalive"]


def kind_of(datagram: bytes) -> Kind:
    """What a datagram on port 4500 is (RFC 3948 2); IKE still has its marker."""
    if datagram == KEEPALIVE:
        return "keepalive"
    return "ike" if datagram.startswith(NON_ESP_MARKER) else "esp"


def carries_esp(packet: Packet) -> bool:
    """Whether this is a datagram to port 4500 with ESP in it (RFC 3948 2.1)."""
    if packet.protocol != Protocol.UDP or packet.is_fragment:
        return False
    header, datagram = packet.payload[: _HEADER.size], packet.payload[_HEADER.size :]
    return int.from_bytes(header[2:4]) == PORT and kind_of(datagram) == "esp"


class Unwrapped(NamedTuple):
    """A packet out of its UDP header."""

    packet: Ipv4Packet
    """The same packet with ESP as its payload."""
    source_port: int
    destination_port: int


def wrap(packet: Packet, udp: UdpEncapsulation) -> Packet:
    """``packet``, whose payload is ESP, with a UDP header ahead of it (RFC 3948 3.2, 3.4)."""
    length = _HEADER.size + len(packet.payload)
    # The checksum SHOULD be zero in IPv4 (RFC 3948 2.1).
    header = _HEADER.pack(udp.source_port, udp.destination_port, length & 0xFFFF, 0)
    return replace(packet, protocol=Protocol.UDP, payload=header + packet.payload)


def unwrap(packet: Ipv4Packet) -> Unwrapped:
    """The ESP packet in a datagram; drops what is none. The checksum is not looked at."""
    payload = packet.payload
    if packet.is_fragment:
        raise PacketDroppedError(DropReason.IN_FRAGMENT)
    if len(payload) < _HEADER.size:
        raise PacketDroppedError(DropReason.IN_HEADER, f"{len(payload)} octets of UDP")
    source_port, destination_port, length, _ = _HEADER.unpack_from(payload)
    if not _HEADER.size <= length <= len(payload):
        raise PacketDroppedError(DropReason.IN_HEADER, f"UDP length {length}")
    datagram = payload[_HEADER.size : length]
    if (kind := kind_of(datagram)) != "esp":
        raise PacketDroppedError(DropReason.IN_KEEPALIVE, kind)
    within = replace(packet, protocol=Protocol.ESP, payload=datagram)
    return Unwrapped(within, source_port, destination_port)


def mend_checksum(packet: Ipv4Packet, udp: UdpEncapsulation) -> Ipv4Packet:
    """``packet`` with the checksum that its addresses as received want (RFC 3948 3.1.2).

    It is changed by the difference alone (RFC 1624), so that a wrong one stays wrong.
    """
    at = _CHECKSUM_AT.get(Protocol(packet.protocol)) if packet.protocol in _CHECKSUM_AT else None
    if at is None or packet.fragment_offset or len(packet.payload) < at + 2:
        return packet
    sent = packet.payload[at : at + 2]
    if packet.protocol == Protocol.UDP and sent == bytes(2):  # the sender computed none
        return packet
    pairs = (
        (udp.original_source or packet.source, packet.source),
        (udp.original_destination or packet.destination, packet.destination),
    )
    mended = sent
    for original, received in pairs:
        mended = _replaced(mended, original, received)
    if packet.protocol == Protocol.UDP and mended == bytes(2):
        mended = b"\xff\xff"
    payload = packet.payload[:at] + mended + packet.payload[at + 2 :]
    return replace(packet, payload=payload)


def _replaced(sent: bytes, original: IPv4Address, received: IPv4Address) -> bytes:
    """HC' = ~(~HC + ~m + m') (RFC 1624 3); as it was where nothing changes."""
    if original == received:
        return sent
    inverted = bytes(octet ^ 0xFF for octet in sent + original.packed)
    return checksum(inverted + received.packed).to_bytes(2)
