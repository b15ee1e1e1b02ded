"""What becomes of a packet: protected, accepted, or dropped with a reason (RFC 4301 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.ipsec.association import Bundle, SecurityAssociation
    from conformance.ipsec.drops import DropReason
    from conformance.ipsec.packet import Address, Packet


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A packet that was dropped, with the facts RFC 4303 3.4.2 to 3.4.4 want in the audit log."""

    reason: DropReason
    detail: str = ""
    spi: int | None = None
    sequence: int | None = None
    source: Address | None = None
    destination: Address | None = None


@dataclass(frozen=True, slots=True)
class Protected:
    """A packet that may leave, and the SAs that protect it."""

    wire: bytes
    """The IP packet with AH or ESP in it."""
    bundle: Bundle
    datagram: bytes | None = None
    """What to send from UDP port to UDP port instead, where the SAs are encapsulated in UDP."""

    @property
    def sa(self) -> SecurityAssociation:
        """The outermost SA."""
        return self.bundle.outer


@dataclass(frozen=True, slots=True)
class Accepted:
    """A packet that arrived whole, and the SAs that brought it."""

    inner: Packet
    bundle: Bundle
    udp_source: tuple[Address, int] | None = None
    """Whence it came in UDP: a NAT may have chosen a new port (RFC 3947 section 4)."""

    @property
    def sa(self) -> SecurityAssociation:
        """The outermost SA."""
        return self.bundle.outer
