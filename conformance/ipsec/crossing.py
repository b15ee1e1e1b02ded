"""What the two ways across the IPsec boundary share (RFC 4301 3.1, 5)."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conformance.ipsec.lifetime import LifetimeReached
from conformance.ipsec.results import AuditEvent

if TYPE_CHECKING:
    from conformance.ipsec.drops import DropReason
    from conformance.ipsec.engine import DataPlane
    from conformance.ipsec.packet import Address, Packet
    from conformance.ipsec.selector import Selector
    from conformance.ipsec.spd import Spd, SpdEntry, Template

MOST_EVENTS = 1024
"""Events that are kept for an owner who does not ask; the counters go on."""


Packets = tuple[bytes, ...]
"""What leaves on the other side of the boundary."""
NOTHING: Packets = ()
"""An event tells why."""


@dataclass(frozen=True, slots=True)
class SaWanted:
    """A packet is to be protected and no SA does; given once more when one stands, it leaves."""

    packet: Packet
    entry: SpdEntry
    template: Template
    """How the SA that lacks has to protect."""
    selector: Selector
    """What it has to carry."""


Event = AuditEvent | SaWanted | LifetimeReached


@dataclass(slots=True)
class Site:
    """One host at its boundary."""

    spd: Spd
    plane: DataPlane
    addresses: frozenset[Address]
    """Its own on the unprotected side."""
    counters: Counter[DropReason] = field(default_factory=Counter)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))

    def drop(self, event: AuditEvent) -> Packets:
        """Count a packet that does not cross, and tell of it."""
        self.counters[event.reason] += 1
        self.events.append(event)
        return NOTHING

    def refuse(self, reason: DropReason, packet: Packet, detail: str) -> Packets:
        """The same for a packet that no SA has to do with."""
        ends = packet.source, packet.destination
        return self.drop(AuditEvent(reason, detail, None, None, *ends))
