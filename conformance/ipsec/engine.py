"""The data plane of one host: protect what leaves, verify what arrives (RFC 4301 5)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from conformance.ipsec import tunnel, udp
from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.flow_header import Identifications
from conformance.ipsec.fragments import is_suspicious
from conformance.ipsec.icmp_errors import turned_round
from conformance.ipsec.ip import Ipv4Packet, MalformedPacketError, Protocol
from conformance.ipsec.lifetime import LifetimeReached, reached
from conformance.ipsec.packet import Packet, empty_packet, host_network, parse_packet
from conformance.ipsec.protection import HANDLERS, encapsulate
from conformance.ipsec.results import Accepted, AuditEvent, Protected
from conformance.ipsec.sad import Bundle, Sad, SecurityAssociation, Selector, bundled
from conformance.ipsec.stateful_fragments import StatefulFragments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.crypto.random import RandomSource
    from conformance.ipsec.packet import Address
    from conformance.ipsec.spd import Way


__all__ = ["Accepted", "AuditEvent", "DataPlane", "Protected"]


@dataclass(slots=True)
class _Arrival:
    """A packet on its way in, one header less with each SA that it passed."""

    packet: Packet
    source_port: int | None = None
    """Of UDP, where it came in UDP."""
    now: float = 0.0
    spi: int | None = None
    sequence: int | None = None
    passed: list[SecurityAssociation] = field(default_factory=list)


class DataPlane:
    """Joins the SAD, the replay windows and the protocols; randomness for the IVs is injected.

    ``now`` is a moment of the clock by which SAs were installed; only those with a lifetime in
    seconds look at it.
    """

    def __init__(self, random: RandomSource, sad: Sad | None = None) -> None:
        self.sad = Sad() if sad is None else sad
        """The SAs that stand; the owner adds and removes them."""
        self.random = random
        """What IVs are drawn from."""
        self.identifications = Identifications()
        """Of the IPv4 headers that tunnels make."""
        self.fragments: dict[Way, StatefulFragments] = {
            "out": StatefulFragments(),
            "in": StatefulFragments(),
        }
        """The ports of packets in parts, by which later fragments are known (RFC 4301 7.3)."""
        self._events: deque[LifetimeReached] = deque()

    def next_event(self) -> LifetimeReached | None:
        """What happened to an SA since this was last asked, or None."""
        return self._events.popleft() if self._events else None

    def get_timer(self) -> float | None:
        """When ``handle_timer`` wants to be called, or None."""
        return self.sad.deadline

    def handle_timer(self, now: float) -> None:
        """Tell of the lifetimes in seconds that have ended."""
        for sa in self.sad.due(now):
            self._events.extend(reached(sa, now))

    def outbound(
        self, inner: Packet, sa: SecurityAssociation | Bundle | None = None, now: float = 0.0
    ) -> Protected | AuditEvent:
        """Protect ``inner`` under a bundle, or under the newest outbound one that covers it.

        An SA stands for the bundle that it was installed with.
        """
        bundle = self._covering(inner, now) if sa is None else self._bundle_of(sa)
        try:
            return self._protect(bundle, inner, now)
        except PacketDroppedError as drop:
            reason, detail = drop.reason, drop.detail
        except MalformedPacketError as error:
            reason, detail = DropReason.OUT_HEADER, str(error)
        spi = bundle.outer.spi if bundle else None
        return AuditEvent(reason, detail, spi, source=inner.source, destination=inner.destination)

    def dummy(self, sa: SecurityAssociation | Bundle, noise: bytes = b"") -> Protected | AuditEvent:
        """A packet that its receiver discards, to hide how much is said (RFC 4303 2.6).

        Raises ValueError for a bundle without ESP.
        """
        *around, esp = (one for one in self._bundle_of(sa).sas if one.protocol != Protocol.IPCOMP)
        if esp.protocol != Protocol.ESP:
            raise ValueError("only ESP has dummy packets")
        ends = Selector(host_network(esp.source), host_network(esp.destination))
        # The copy shares the counters of the SA that stands.
        bare = Bundle((*around, replace(esp, mode="transport", selector=ends)))
        packet = empty_packet(esp.source, esp.destination, Protocol.NO_NEXT_HEADER)
        return self.outbound(replace(packet, payload=noise), bare)

    def inbound(self, wire: bytes, now: float = 0.0) -> Accepted | AuditEvent:
        """Verify, decrypt and check an IP packet with AH, ESP, IPComp or ESP in UDP in it."""
        try:
            outer = parse_packet(wire)
        except MalformedPacketError as error:
            return AuditEvent(DropReason.IN_HEADER, str(error))
        return self._receive(_Arrival(outer, now=now))

    def inbound_packet(self, outer: Packet, now: float = 0.0) -> Accepted | AuditEvent:
        """The same for a packet that is parsed already."""
        return self._receive(_Arrival(outer, now=now))

    def inbound_datagram(
        self,
        datagram: bytes,
        source: tuple[Address, int],
        destination: Address,
        now: float = 0.0,
    ) -> Accepted | AuditEvent:
        """The same for what a UDP socket received on port 4500, its header gone (RFC 3948)."""
        outer = replace(empty_packet(source[0], destination, Protocol.ESP), payload=datagram)
        kind = udp.kind_of(datagram)
        if kind != "esp":
            return AuditEvent(
                DropReason.IN_KEEPALIVE, kind, source=source[0], destination=destination
            )
        return self._receive(_Arrival(outer, source[1], now=now))

    # Outbound.

    def _covering(self, inner: Packet, now: float) -> Bundle | None:
        return self.sad.select(inner, ports=self.fragments["out"].look(inner, now))

    def _bundle_of(self, sa: SecurityAssociation | Bundle) -> Bundle:
        try:
            return sa if isinstance(sa, Bundle) else self.sad.bundle_of(sa)
        except KeyError:
            return bundled(sa)

    def _protect(self, bundle: Bundle | None, inner: Packet, now: float) -> Protected:
        if bundle is None:
            raise PacketDroppedError(DropReason.OUT_NO_STATE)
        if any(sa.expired(now) for sa in bundle.sas):
            raise PacketDroppedError(DropReason.OUT_EXPIRED)
        if not self._carries(bundle, inner, "out", now):
            raise PacketDroppedError(DropReason.OUT_NO_STATE, "outside the SA's selector")
        packet, identification = inner, self.identifications.next()
        for sa in reversed(bundle.sas):
            packet = self._apply(sa, packet, identification)
        datagram = packet.payload if bundle.udp else None
        wire = (udp.wrap(packet, bundle.udp) if bundle.udp else packet).build()
        # Only now is it certain that the numbers are used.
        for sa in bundle.sas:
            sa.usage.sequence += 1
        self._count(bundle.sas, inner, now)
        return Protected(wire, bundle, datagram)

    def _apply(self, sa: SecurityAssociation, packet: Packet, identification: int) -> Packet:
        sequence = sa.usage.sequence + 1
        if sequence > sa.last_sequence and sa.protocol != Protocol.IPCOMP:
            raise PacketDroppedError(DropReason.OUT_SEQUENCE, "the sequence number would cycle")
        iv = sequence.to_bytes(sa.iv_size) if sa.counts_ivs else self.random(sa.iv_size)
        return encapsulate(sa, packet, sequence, iv, identification)

    def _carries(self, bundle: Bundle, inner: Packet, way: Way, now: float) -> bool:
        """Whether the selector covers a packet, or the one that an ICMP error is about."""
        selector, fragments = bundle.inner.selector, self.fragments[way]
        covered = selector.covers(fragments.named(inner, now), fragments.look(inner, now))
        if covered:
            fragments.note(inner, now)
            return True
        about = turned_round(inner)
        return about is not None and selector.covers(about)

    def _count(self, sas: Iterable[SecurityAssociation], inner: Packet, now: float) -> None:
        for sa in sas:
            sa.usage.count(inner.total_length)
            self._events.extend(reached(sa, now))

    # Inbound.

    def _receive(self, arrival: _Arrival) -> Accepted | AuditEvent:
        outer = arrival.packet
        try:
            return self._verify(arrival)
        except PacketDroppedError as drop:
            return AuditEvent(
                drop.reason,
                drop.detail,
                arrival.spi,
                arrival.sequence,
                outer.source,
                outer.destination,
            )

    def _verify(self, arrival: _Arrival) -> Accepted:
        source = arrival.packet.source
        if isinstance(arrival.packet, Ipv4Packet) and arrival.packet.protocol == Protocol.UDP:
            arrival.packet, arrival.source_port, _ = udp.unwrap(arrival.packet)
        bundle = None
        while bundle is None or _goes_on(arrival, bundle):
            sa = self._named(arrival)
            bundle = bundle or self.sad.bundle_of(sa)
            self._pass(arrival, sa, bundle)
        inner = _inner(arrival, bundle)
        if not self._carries(bundle, inner, "in", arrival.now):
            ends = f"{inner.source} to {inner.destination}"
            raise PacketDroppedError(DropReason.IN_SELECTOR, ends)
        if is_suspicious(inner):
            raise PacketDroppedError(DropReason.IN_FRAGMENT, "it could overwrite a TCP header")
        self._count(arrival.passed, inner, arrival.now)
        port = arrival.source_port
        return Accepted(inner, bundle, None if port is None else (source, port))

    def _named(self, arrival: _Arrival) -> SecurityAssociation:
        """The SA of the packet's next header (RFC 4301 4.1)."""
        packet = arrival.packet
        handler = HANDLERS.get(packet.protocol)
        if handler is None:
            text = f"protocol {packet.protocol} is no AH, ESP or IPComp"
            raise PacketDroppedError(DropReason.IN_HEADER, text)
        if packet.is_fragment:
            raise PacketDroppedError(DropReason.IN_FRAGMENT)
        arrival.spi, arrival.sequence = handler.read_header(packet.payload)
        sa = self.sad.find(arrival.spi, packet.destination, packet.protocol)
        if sa is None:
            raise PacketDroppedError(DropReason.IN_NO_STATE)
        return sa

    def _pass(self, arrival: _Arrival, sa: SecurityAssociation, bundle: Bundle) -> None:
        if sa.expired(arrival.now):
            raise PacketDroppedError(DropReason.IN_EXPIRED)
        if (bundle.udp is None) is not (arrival.source_port is None):
            text = "in UDP" if bundle.udp is None else "not in UDP"
            raise PacketDroppedError(DropReason.IN_ENCAPSULATION, text)
        arrival.sequence = _new_sequence(sa, arrival.sequence)
        handler, packet = HANDLERS[sa.protocol], arrival.packet
        verified = handler.authenticate(sa, packet, arrival.sequence or 0)
        if sa.replay and arrival.sequence is not None:
            sa.replay.advance(arrival.sequence)
        arrival.packet = tunnel.leave(sa, handler.release(sa, packet, verified))
        arrival.passed.append(sa)


def _goes_on(arrival: _Arrival, bundle: Bundle) -> bool:
    """Whether the next header is one of the bundle's too, and none of a nested SA."""
    missing = bundle.sas[len(arrival.passed) :]
    return any(sa.protocol == arrival.packet.protocol for sa in missing)


def _new_sequence(sa: SecurityAssociation, low: int | None) -> int | None:
    """The whole sequence number, once it may be new (RFC 4303 3.4.3)."""
    if low is None or sa.replay is None:
        return low
    sequence = sa.replay.whole(low) if sa.esn else low
    if not sa.replay.accepts(sequence):
        raise PacketDroppedError(DropReason.IN_SEQUENCE, f"right edge {sa.replay.right}")
    return sequence


def _inner(arrival: _Arrival, bundle: Bundle) -> Packet:
    """The packet inside, where all of the bundle protected it; IPComp may be missing alone.

    What would not have become smaller travels without IPComp's header (RFC 3173 2.2).
    """
    count = len(arrival.passed)
    missing, inner = bundle.sas[count:], arrival.packet
    whole = tuple(arrival.passed) == bundle.sas[:count]
    if not whole or any(sa.protocol != Protocol.IPCOMP for sa in missing):
        names = " ".join(Protocol(sa.protocol).name for sa in arrival.passed)
        raise PacketDroppedError(DropReason.IN_SELECTOR, f"protected by {names} alone")
    for sa in missing:
        inner = tunnel.leave(sa, inner)
    if bundle.udp and bundle.inner.mode == "transport" and isinstance(inner, Ipv4Packet):
        inner = udp.mend_checksum(inner, bundle.udp)
    return inner
