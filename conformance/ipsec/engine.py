"""The data plane of one host: protect what leaves, verify what arrives (RFC 4301, RFC 4303)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.esp import EspHeader, encapsulate, unwrap, verify
from conformance.ipsec.ip import Ipv4Packet, MalformedPacketError, Protocol
from conformance.ipsec.sad import MAX_SEQUENCE, Sad, SecurityAssociation
from conformance.ipsec.transforms import ENCRYPTION

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from conformance.crypto.random import RandomSource


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A packet that was dropped, with the facts RFC 4303 3.4.2 to 3.4.4 want in the audit log."""

    reason: DropReason
    detail: str = ""
    spi: int | None = None
    sequence: int | None = None
    source: IPv4Address | None = None
    destination: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Protected:
    """A packet that may leave, and the SA that protects it."""

    wire: bytes
    """The IPv4 packet with ESP in it."""
    sa: SecurityAssociation


@dataclass(frozen=True, slots=True)
class Accepted:
    """A packet that arrived whole, and the SA that brought it."""

    inner: Ipv4Packet
    sa: SecurityAssociation


class DataPlane:
    """Joins the SAD, the replay windows and ESP; randomness for the IVs is injected."""

    def __init__(self, random: RandomSource, sad: Sad | None = None) -> None:
        self.sad = Sad() if sad is None else sad
        """The SAs that stand; the owner adds and removes them."""
        self._random = random
        self._identification = 0

    def outbound(
        self, inner: Ipv4Packet, sa: SecurityAssociation | None = None
    ) -> Protected | AuditEvent:
        """Protect ``inner`` under ``sa``, or under the newest outbound SA that covers it."""
        chosen = self.sad.select(inner) if sa is None else sa
        try:
            return self._protect(chosen, inner)
        except PacketDroppedError as drop:
            spi = chosen.spi if chosen else None
            return AuditEvent(
                drop.reason, drop.detail, spi, source=inner.source, destination=inner.destination
            )

    def inbound(self, wire: bytes) -> Accepted | AuditEvent:
        """Verify, decrypt and check the ESP packet ``wire``, an IPv4 header and what follows."""
        try:
            outer = Ipv4Packet.parse(wire)
        except MalformedPacketError as error:
            return AuditEvent(DropReason.IN_HEADER, str(error))
        header = None
        try:
            header = _header(outer)
            return self._verify(outer, header)
        except PacketDroppedError as drop:
            spi, sequence = header or (None, None)
            return AuditEvent(
                drop.reason, drop.detail, spi, sequence, outer.source, outer.destination
            )

    def _protect(self, sa: SecurityAssociation | None, inner: Ipv4Packet) -> Protected:
        if sa is None:
            raise PacketDroppedError(DropReason.OUT_NO_STATE)
        if sa.expired:
            raise PacketDroppedError(DropReason.OUT_EXPIRED)
        if not sa.selector.covers(inner):
            raise PacketDroppedError(DropReason.OUT_NO_STATE, "outside the SA's selector")
        sequence = sa.usage.sequence + 1
        if sequence > MAX_SEQUENCE:
            raise PacketDroppedError(DropReason.OUT_SEQUENCE, "the sequence number would cycle")
        self._identification = self._identification % 0xFFFF + 1
        iv = self._random(ENCRYPTION[sa.cipher].iv_size)
        try:
            wire = encapsulate(sa, inner, sequence, iv, self._identification).build()
        except MalformedPacketError as error:
            raise PacketDroppedError(DropReason.OUT_HEADER, str(error)) from error
        sa.usage.sequence = sequence
        sa.usage.count(inner)
        return Protected(wire, sa)

    def _verify(self, outer: Ipv4Packet, header: EspHeader) -> Accepted:
        sa = self.sad.find(header.spi, outer.destination)
        if sa is None:
            raise PacketDroppedError(DropReason.IN_NO_STATE)
        if sa.expired:
            raise PacketDroppedError(DropReason.IN_EXPIRED)
        if sa.replay and not sa.replay.accepts(header.sequence):
            raise PacketDroppedError(DropReason.IN_SEQUENCE, f"right edge {sa.replay.right}")
        covered = verify(sa, outer.payload)
        if sa.replay:
            sa.replay.advance(header.sequence)
        inner = unwrap(sa, outer, covered)
        if not sa.selector.covers(inner):
            ends = f"{inner.source} to {inner.destination}"
            raise PacketDroppedError(DropReason.IN_SELECTOR, ends)
        sa.usage.count(inner)
        return Accepted(inner, sa)


def _header(outer: Ipv4Packet) -> EspHeader:
    if outer.protocol != Protocol.ESP:
        raise PacketDroppedError(DropReason.IN_HEADER, f"protocol {outer.protocol} is not ESP")
    if outer.is_fragment:
        raise PacketDroppedError(DropReason.IN_FRAGMENT)
    return EspHeader.parse(outer.payload)
