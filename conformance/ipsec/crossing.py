"""What the two ways across the IPsec boundary share (RFC 4301 3.1, 5)."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from conformance.ipsec.icmp_errors import ErrorKind, turned_round
from conformance.ipsec.lifetime import LifetimeReached
from conformance.ipsec.pmtu import PathMtu, concerned, least_believed
from conformance.ipsec.reassembly import Reassembly
from conformance.ipsec.results import AuditEvent
from conformance.ipsec.selector import ports_of
from conformance.ipsec.stateful_fragments import StatefulFragments

if TYPE_CHECKING:
    from conformance.ipsec.association import Bundle, SecurityAssociation
    from conformance.ipsec.drops import DropReason
    from conformance.ipsec.engine import DataPlane
    from conformance.ipsec.icmp_errors import IcmpError
    from conformance.ipsec.packet import Address, Packet
    from conformance.ipsec.selector import Selector
    from conformance.ipsec.spd import Spd, SpdEntry, Template, Way

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


@dataclass(frozen=True, slots=True)
class SenderTold:
    """An ICMP message to send back to the protected side, whence a packet came."""

    message: Packet


@dataclass(frozen=True, slots=True)
class PathMtuLearned:
    """Somebody on the path of an SA told that it takes less than was believed (RFC 4301 8.2.1)."""

    sa: SecurityAssociation
    mtu: int


Event = AuditEvent | SaWanted | SenderTold | PathMtuLearned | LifetimeReached


class Judged(NamedTuple):
    """What decides on a packet."""

    entry: SpdEntry | None
    subject: Packet
    """The packet itself, or that which an ICMP error is about."""
    ports: tuple[int, int]
    """Of the subject."""


@dataclass(slots=True)
class Site:
    """One host at its boundary."""

    spd: Spd
    plane: DataPlane
    addresses: frozenset[Address]
    """Its own on the unprotected side."""
    mtu: int = 1500
    """Of the link to the network."""
    counters: Counter[DropReason] = field(default_factory=Counter)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))
    reassembly: Reassembly = field(default_factory=Reassembly)
    clear: StatefulFragments = field(default_factory=StatefulFragments)
    """The ports of packets that arrive in parts and in the clear: they prove nothing of others."""
    _paths: dict[SecurityAssociation, PathMtu] = field(default_factory=dict)

    def drop(self, event: AuditEvent) -> Packets:
        """Count a packet that does not cross, and tell of it."""
        self.counters[event.reason] += 1
        self.events.append(event)
        return NOTHING

    def refuse(self, reason: DropReason, packet: Packet, detail: str) -> Packets:
        """The same for a packet that no SA has to do with."""
        ends = packet.source, packet.destination
        return self.drop(AuditEvent(reason, detail, None, None, *ends))

    def own_address(self, packet: Packet) -> Address | None:
        """Whom an ICMP message about a packet comes from; None of another IP version."""
        version = packet.source.version
        return next((one for one in self.addresses if one.version == version), None)

    def judge(self, packet: Packet, way: Way, now: float, *, clear: bool = False) -> Judged:
        """The policy of a packet, or of the one that an ICMP error is about (RFC 4301 6.2).

        A later fragment has that of the first one, whatever became of it (RFC 4301 7.4); one that
        arrives ``clear`` cannot tell what those show that an SA brought.
        """
        fragments = self.plane.fragments[way]
        if clear:
            self.clear.note(packet, now)
            fragments = fragments if fragments.ports_of(packet, now) else self.clear
        elif way == "out":
            fragments.note(packet, now)
        ports, named = fragments.look(packet, now), fragments.named(packet, now)
        entry = self.spd.find(named, way, ports)
        about = turned_round(packet) if entry is None else None
        if about is None:
            return Judged(entry, named, ports)
        return Judged(self.spd.find(about, way), about, ports_of(about))

    def path_mtu(self, bundle: Bundle, now: float) -> int:
        """What is believed of the path of a bundle's packets."""
        path = self._paths.get(bundle.outer)
        return path.current(now) if path else self.mtu

    def learn(self, error: IcmpError, now: float) -> bool:
        """Whether an unauthenticated error was about one of our SAs, and so is dealt with."""
        sad = self.plane.sad
        sa = concerned(error, sad.named_by(error.about)) if error.about else None
        if sa is None or error.kind is not ErrorKind.TOO_BIG:
            return False
        if self.mtu < least_believed(sa.source.version):  # nothing less is believed
            return True
        self._paths = {one: path for one, path in self._paths.items() if sad.stands(one)}
        path = self._paths.setdefault(sa, PathMtu(self.mtu, sa.source.version))
        if path.learn(error, now):
            sad.changed()
            self.events.append(PathMtuLearned(sa, path.current(now)))
        return True
