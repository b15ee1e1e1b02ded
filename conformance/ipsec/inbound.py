"""Packets from the network: taken out of their SAs, let in, or discarded (RFC 4301 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from conformance.ipsec import flow
from conformance.ipsec.association import Bundle
from conformance.ipsec.crossing import NOTHING
from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.icmp_errors import error_of
from conformance.ipsec.ip import MalformedPacketError, Protocol
from conformance.ipsec.packet import parse_packet
from conformance.ipsec.protection import HANDLERS
from conformance.ipsec.results import AuditEvent
from conformance.ipsec.udp import carries_esp

if TYPE_CHECKING:
    from conformance.ipsec.crossing import Packets, Site
    from conformance.ipsec.packet import Packet

MOST_NESTED = 8
"""Bundles around one packet."""
MOST_FLOWS = 65536
"""Times that a flow is remembered; then all are looked up anew."""
_ECN = 0b11


class _Seen(NamedTuple):
    """A packet as octets and as what they mean."""

    octets: bytes
    packet: Packet


class Inbound:
    """The way from the network to the protected side of a host."""

    def __init__(self, site: Site) -> None:
        self._site = site
        site.plane.sad.watchers.append(self.forget)
        self._flows: dict[int, flow.Flow] = {}
        self.cross = flow.crossing(self._flows, self._look_closer)
        """Takes a packet; gives those that leave on the other side."""
        self._fitting: dict[int, set[int]] = {}
        self._remembered = 0

    def forget(self) -> None:
        """Look every flow up anew: SAs or policies are others now."""
        self._flows.clear()
        self._fitting.clear()
        self._remembered = 0

    def _look_closer(self, octets: bytes, now: float) -> Packets:
        try:
            arrived = parse_packet(octets)
            packet = self._whole(arrived, now)
        except MalformedPacketError as error:
            return self._site.drop(AuditEvent(DropReason.IN_HEADER, str(error)))
        except PacketDroppedError as drop:
            return self._site.drop(AuditEvent(drop.reason, drop.detail))
        if packet is None:
            return NOTHING
        # What was joined has no octets of its own that a flow could be known by.
        return self._unwrap(octets if packet is arrived else packet.build(), packet, now)

    def _whole(self, packet: Packet, now: float) -> Packet | None:
        """The packet that a fragment for this host completes, if it does; others as they are."""
        if packet.is_fragment and packet.destination in self._site.addresses:
            return self._site.reassembly.add(packet, now)
        return packet

    def _unwrap(self, octets: bytes, outer: Packet, now: float) -> Packets:
        packet, passed = outer, list[Bundle]()
        while self._is_protected(packet):
            accepted = self._site.plane.inbound_packet(packet, now)
            if isinstance(accepted, AuditEvent):
                return self._site.drop(accepted)
            packet = accepted.inner
            passed.append(accepted.bundle)
            if len(passed) > MOST_NESTED:
                return self._site.refuse(DropReason.IN_SELECTOR, packet, "nested too deep")
        if not passed:
            return self._in_clear(packet, now)
        entry = self._site.judge(packet, "in", now).entry
        if entry is None or not entry.wants(passed):
            return self._site.refuse(DropReason.IN_SELECTOR, packet, "not as the policy wants it")
        inner = packet.build()
        if len(passed) == 1 and not self._may_be_protected(packet):
            self._remember(_Seen(octets, outer), _Seen(inner, packet), passed[0])
        return (inner,)

    def _is_protected(self, packet: Packet) -> bool:
        """Whether a packet is for an SA of this host."""
        if packet.destination not in self._site.addresses:
            return False
        return packet.protocol in HANDLERS or carries_esp(packet)

    def _may_be_protected(self, packet: Packet) -> bool:
        """Whether other packets of the same flow are for an SA of this host: its UDP tells."""
        return packet.protocol == Protocol.UDP and packet.destination in self._site.addresses

    def _in_clear(self, packet: Packet, now: float) -> Packets:
        error = error_of(packet) if packet.destination in self._site.addresses else None
        if error is not None and self._site.learn(error, now):
            return NOTHING
        entry = self._site.judge(packet, "in", now, clear=True).entry
        action = entry.action if entry else "discard"
        if action == "bypass":
            return (packet.build(),)
        if action == "protect":
            return self._site.refuse(DropReason.IN_SELECTOR, packet, "not protected")
        why = (entry.name if entry else "") or "no policy lets it in"
        return self._site.refuse(DropReason.IN_POLICY, packet, why)

    def _remember(self, wire: _Seen, inner: _Seen, bundle: Bundle) -> None:
        """Let the next packets of this flow take the short way, where one serves."""
        ecn = wire.packet.tos & _ECN
        changes = ecn not in (0, inner.packet.tos & _ECN)
        regular = flow.is_regular(wire.packet) and flow.is_regular(inner.packet)
        # In UDP, ports are where the short way looks for ESP.
        simple = len(bundle.sas) == 1 and flow.serves(bundle.outer) and bundle.udp is None
        if not simple or not regular or changes:
            return
        # Nobody has authenticated the outer header: on the way it may become any number of flows.
        if self._remembered >= MOST_FLOWS:
            self.forget()
        self._remembered += 1
        key = flow.key_of(wire.octets)
        fitting = self._fitting.setdefault(key, set())
        fitting.add(flow.key_of(inner.octets))
        self._flows[key] = flow.inbound(bundle.outer, fitting)
