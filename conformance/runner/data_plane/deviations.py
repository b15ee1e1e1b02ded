"""Faults for the reference to have on purpose: what shows that a cell can fail."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from conformance.ipsec.association import Bundle, SecurityAssociation
from conformance.ipsec.packet import parse_packet

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.packet import Packet

_HEADER = 8
"""Octets of ESP's SPI and sequence number."""


class Deviation(NamedTuple):
    """One fault: of the SAs as the reference sees them, or of its packets, both ways."""

    sa: Callable[[SecurityAssociation], SecurityAssociation]
    packet: Callable[[SecurityAssociation, Packet], bytes]
    """The SA and the packet, to the octets behind its IP header."""

    def bundle(self, whole: Bundle) -> Bundle:
        """The SAs with the fault in them."""
        return Bundle(tuple(map(self.sa, whole.sas)))

    def wire(self, sa: SecurityAssociation, octets: bytes) -> bytes:
        """A packet with the fault in it."""
        packet = parse_packet(octets)
        return replace(packet, payload=self.packet(sa, packet)).build()


def _same_sa(sa: SecurityAssociation) -> SecurityAssociation:
    return sa


def _same_packet(_: SecurityAssociation, packet: Packet) -> bytes:
    return packet.payload


def _without_high_half(sa: SecurityAssociation) -> SecurityAssociation:
    """RFC 4303 2.2.1: the high half is part of what the ICV covers."""
    return replace(sa, esn=False)


def _salt_first(sa: SecurityAssociation) -> SecurityAssociation:
    """RFC 4106 8.1: the salt is the end of the keying material."""
    return replace(sa, encryption_key=sa.encryption_key[-4:] + sa.encryption_key[:-4])


def _short_icv(_: SecurityAssociation, packet: Packet) -> bytes:
    """RFC 4868 2.3: HMAC-SHA-256 leaves 16 octets."""
    return packet.payload[:-4]


def _turned_iv(sa: SecurityAssociation, packet: Packet) -> bytes:
    """RFC 3602 3: the IV stands ahead of the ciphertext as it was used."""
    iv, behind = packet.payload[_HEADER : _HEADER + sa.iv_size], _HEADER + sa.iv_size
    return packet.payload[:_HEADER] + iv[::-1] + packet.payload[behind:]


DEVIATIONS = {
    "none": Deviation(_same_sa, _same_packet),
    "esn-low-half": Deviation(_without_high_half, _same_packet),
    "salt-first": Deviation(_salt_first, _same_packet),
    "short-icv": Deviation(_same_sa, _short_icv),
    "turned-iv": Deviation(_same_sa, _turned_iv),
}
"""By name; "none" is the reference as it is."""
