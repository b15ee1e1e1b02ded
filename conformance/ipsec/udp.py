"""ESP in UDP over IPv4, and what NATs do to transport mode's checksums (RFC 3948).

Over IPv6 RFC 3948 1 sees no obstacle and defines nothing; UDP's checksum would be due there.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.ip import Ipv4Packet, Protocol, checksum
from conformance.ipsec.packet import pseudo_header

if TYPE_CHECKING:
    from collections.abc import Callable
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
_CHECKSUM_AT: dict[int, int] = {Protocol.TCP: 16, Protocol.UDP: 6}
"""Where the checksum over a pseudo-header stands (RFC 9293 3.1, RFC 768)."""

Kind = Literal["esp", "ike", "keepalive"]
Repair = Literal["incremental", "recomputed", "omitted"]
"""The three ways of RFC 3948 3.1.2 to have checksums fit the addresses that a NAT chose."""


def kind_of(datagram: bytes) -> Kind:
    """What a datagram on port 4500 is (RFC 3948 2); IKE still has its marker."""
    if datagram == KEEPALIVE:
        return "keepalive"
    return "ike" if datagram.startswith(NON_ESP_MARKER) else "esp"


def carries_esp(packet: Packet) -> bool:
    """Whether this is a datagram to port 4500 with ESP in it (RFC 3948 2.1)."""
    udp = isinstance(packet, Ipv4Packet) and packet.protocol == Protocol.UDP
    if not udp or packet.is_fragment:
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


def mend_checksum(
    packet: Ipv4Packet, udp: UdpEncapsulation, repair: Repair = "incremental"
) -> Ipv4Packet:
    """``packet`` with the checksum that its addresses as received want (RFC 3948 3.1.2).

    Changed by the difference alone (RFC 1624) a wrong one stays wrong, which is why it is the
    default; the other ways need no NAT-OA, and trust the ICV.
    """
    at = _CHECKSUM_AT.get(packet.protocol)
    if at is None or packet.is_fragment or len(packet.payload) < at + 2:
        return packet
    sent = packet.payload[at : at + 2]
    if packet.protocol == Protocol.UDP and sent == bytes(2):  # the sender computed none
        return packet
    mended = _REPAIRS[repair](packet, udp, at)
    payload = packet.payload[:at] + mended + packet.payload[at + 2 :]
    return replace(packet, payload=payload)


def _changed(packet: Ipv4Packet, udp: UdpEncapsulation, at: int) -> bytes:
    mended = packet.payload[at : at + 2]
    for original, received in (
        (udp.original_source or packet.source, packet.source),
        (udp.original_destination or packet.destination, packet.destination),
    ):
        mended = _replaced(mended, original, received)
    return _not_none(packet, mended)


def _computed(packet: Ipv4Packet, _: UdpEncapsulation, at: int) -> bytes:
    payload = packet.payload
    if packet.protocol == Protocol.UDP:
        payload = payload[: int.from_bytes(payload[4:6])]
    pseudo = pseudo_header(packet.source, packet.destination, packet.protocol, len(payload))
    summed = payload[:at] + bytes(2) + payload[at + 2 :]
    return _not_none(packet, checksum(pseudo + summed).to_bytes(2))


def _omitted(packet: Ipv4Packet, udp: UdpEncapsulation, at: int) -> bytes:
    """TCP has no way to say that there is none."""
    return bytes(2) if packet.protocol == Protocol.UDP else _computed(packet, udp, at)


def _not_none(packet: Ipv4Packet, mended: bytes) -> bytes:
    """Zero would say that UDP has no checksum (RFC 768)."""
    return b"\xff\xff" if packet.protocol == Protocol.UDP and mended == bytes(2) else mended


_REPAIRS: dict[Repair, Callable[[Ipv4Packet, UdpEncapsulation, int], bytes]] = {
    "incremental": _changed,
    "recomputed": _computed,
    "omitted": _omitted,
}


def _replaced(sent: bytes, original: IPv4Address, received: IPv4Address) -> bytes:
    """HC' = ~(~HC + ~m + m') (RFC 1624 3); as it was where nothing changes."""
    if original == received:
        return sent
    inverted = bytes(octet ^ 0xFF for octet in sent + original.packed)
    return checksum(inverted + received.packed).to_bytes(2)
