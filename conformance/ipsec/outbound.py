"""Packets from the protected side: let through, discarded, or protected (RFC 4301 5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from conformance.ipsec import flow
from conformance.ipsec.crossing import NOTHING, SaWanted
from conformance.ipsec.drops import DropReason
from conformance.ipsec.ip import MalformedPacketError
from conformance.ipsec.packet import parse_packet
from conformance.ipsec.results import AuditEvent
from conformance.ipsec.selector import just

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.association import Bundle
    from conformance.ipsec.crossing import Packets, Site
    from conformance.ipsec.packet import Packet
    from conformance.ipsec.spd import Action, SpdEntry

MOST_FLOWS = 65536
"""Flows that are remembered; then they are looked up anew."""
_MAX_SIZE = 0xFFFF


class _Departure(NamedTuple):
    """A packet that wants to leave, and what decides on it."""

    octets: bytes
    packet: Packet
    entry: SpdEntry
    now: float


class Outbound:
    """The way from the protected side of a host to the network."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._sad = site.plane.sad
        self._generation = self._sad.generation
        self._flows: dict[bytes, flow.Flow] = {}
        self._actions: dict[Action, Callable[[_Departure], Packets]] = {
            "protect": self._protect,
            "bypass": self._bypass,
            "discard": self._discard,
        }

    def forget(self) -> None:
        """Look every flow up anew: SAs or policies are others now."""
        self._flows.clear()
        self._generation = self._sad.generation

    def cross(self, octets: bytes, now: float) -> Packets:
        """Take a packet."""
        if self._generation != self._sad.generation:
            self.forget()
        short = self._flows.get(flow.key_of(octets))
        wire = short(octets, now) if short else None
        return (wire,) if wire else self._look_closer(octets, now)

    def _look_closer(self, octets: bytes, now: float) -> Packets:
        site = self._site
        try:
            packet = parse_packet(octets)
        except MalformedPacketError as error:
            return site.drop(AuditEvent(DropReason.OUT_HEADER, str(error)))
        entry = site.spd.find(packet)
        if entry is None:
            return site.refuse(DropReason.OUT_POLICY, packet, "no policy speaks of it")
        return self._actions[entry.action](_Departure(octets, packet, entry, now))

    def _discard(self, going: _Departure) -> Packets:
        why = going.entry.name or "a policy says so"
        return self._site.refuse(DropReason.OUT_POLICY, going.packet, why)

    def _bypass(self, going: _Departure) -> Packets:
        return (going.octets,)

    def _protect(self, going: _Departure) -> Packets:
        packet, octets = going.packet, going.octets
        for nested, template in enumerate(going.entry.templates):
            if nested:
                packet = parse_packet(octets)
            bundle = self._site.plane.sad.select(packet, template)
            if bundle is None:
                selector = just(packet) if nested else going.entry.selector_for(packet)
                wanted = SaWanted(going.packet, going.entry, template, selector)
                self._site.events.append(wanted)
                return NOTHING
            sent = self._site.plane.outbound(packet, bundle, going.now)
            if isinstance(sent, AuditEvent):
                return self._site.drop(sent)
            octets = sent.wire
            self._remember(going, sent.bundle)
        return (octets,)

    def _remember(self, going: _Departure, bundle: Bundle) -> None:
        """Let the next packets of this flow take the short way, where one serves."""
        simple = len(going.entry.templates) == len(bundle.sas) == 1
        if not simple or not flow.serves(bundle.outer) or not flow.is_regular(going.packet):
            return
        if len(self._flows) >= MOST_FLOWS:
            self._flows.clear()
        plane = self._site.plane
        self._flows[flow.key_of(going.octets)] = flow.outbound(
            bundle.outer,
            going.octets,
            random=plane.random,
            identifications=plane.identifications,
            largest=_MAX_SIZE,
        )
