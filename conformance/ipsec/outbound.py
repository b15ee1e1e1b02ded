"""Packets from the protected side: let through, discarded, or protected (RFC 4301 5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, NoReturn

from conformance.ipsec import flow
from conformance.ipsec.crossing import NOTHING, SaWanted, SenderTold
from conformance.ipsec.drops import DropReason
from conformance.ipsec.forwarding import forward
from conformance.ipsec.fragments import FragmentationNeededError, fragment
from conformance.ipsec.ip import MAX_TOTAL_LENGTH, MalformedPacketError
from conformance.ipsec.packet import parse_packet
from conformance.ipsec.pmtu import Fit, fit, told_mtu, too_big
from conformance.ipsec.protection import HANDLERS
from conformance.ipsec.results import AuditEvent
from conformance.ipsec.selector import ANY_PORT, just
from conformance.ipsec.sizes import largest_inner

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ipsec.association import Bundle
    from conformance.ipsec.crossing import Judged, Packets, Site
    from conformance.ipsec.packet import Packet
    from conformance.ipsec.spd import Action, SpdEntry, Template

MOST_FLOWS = 65536
"""Flows that are remembered; then they are looked up anew."""


class _Departure(NamedTuple):
    """A packet that wants to leave, and what decides on it."""

    octets: bytes
    packet: Packet
    entry: SpdEntry
    judged: Judged
    now: float


class _NotSentError(Exception):
    """Nothing leaves, and why was told already."""


class Outbound:
    """The way from the protected side of a host to the network.

    A gateway ``forwards``: what it did not send itself has one hop less (RFC 4301 5.1.2.1).
    """

    def __init__(self, site: Site, *, forwards: bool = False) -> None:
        self._site = site
        self._sad = site.plane.sad
        self._sad.watchers.append(self.forget)
        self._forwards = forwards
        self._flows: dict[int, flow.Flow] = {}
        self.cross = flow.crossing(self._flows, self._look_closer)
        """Takes a packet; gives those that leave on the other side."""
        self._actions: dict[Action, Callable[[_Departure], Packets]] = {
            "protect": self._protect,
            "bypass": self._bypass,
            "discard": self._discard,
        }

    def forget(self) -> None:
        """Look every flow up anew: SAs or policies are others now."""
        self._flows.clear()

    def _look_closer(self, octets: bytes, now: float) -> Packets:
        site = self._site
        try:
            packet = parse_packet(octets)
        except MalformedPacketError as error:
            return site.drop(AuditEvent(DropReason.OUT_HEADER, str(error)))
        judged = site.judge(packet, "out", now)
        if judged.entry is None:
            return site.refuse(DropReason.OUT_POLICY, packet, "no policy speaks of it")
        going = _Departure(octets, packet, judged.entry, judged, now)
        try:
            return self._actions[judged.entry.action](going)
        except _NotSentError:
            return NOTHING

    def _discard(self, going: _Departure) -> Packets:
        why = going.entry.name or "a policy says so"
        return self._site.refuse(DropReason.OUT_POLICY, going.packet, why)

    def _bypass(self, going: _Departure) -> Packets:
        return (going.octets,)

    def _protect(self, going: _Departure) -> Packets:
        wires, packets = NOTHING, [self._hop(going.packet)]
        for nested, template in enumerate(going.entry.templates):
            packets = [*map(parse_packet, wires)] if nested else packets
            bundle = self._bundle(going, template, packets[0] if nested else None)
            wires = tuple(wire for one in packets for wire in self._through(bundle, one, going.now))
            if packets == [going.packet] and len(wires) == 1:
                self._remember(going, bundle)
        return wires

    def _hop(self, packet: Packet) -> Packet:
        """One hop less, where this host only forwards the packet."""
        router = self._site.own_address(packet) if self._forwards else None
        if router is None or packet.source in self._site.addresses:
            return packet
        forwarded = forward(packet, router)
        if forwarded.packet is None:
            self._tell(DropReason.OUT_TTL, packet, "its last hop", forwarded.error)
        return forwarded.packet

    def _bundle(self, going: _Departure, template: Template, outer: Packet | None) -> Bundle:
        """What protects the packet, or ``outer``, which an SA has made of it already."""
        if outer is None:
            bundle = self._sad.select(going.judged.subject, template, going.judged.ports)
        else:
            bundle = self._sad.select(outer, template)
        if bundle is None:
            _, subject, ports = going.judged
            selector = just(outer) if outer else going.entry.selector_for(subject, ports)
            wanted = SaWanted(going.packet, going.entry, template, selector)
            self._site.events.append(wanted)
            raise _NotSentError
        return bundle

    def _through(self, bundle: Bundle, packet: Packet, now: float) -> list[bytes]:
        """The packets that carry one under a bundle, none larger than its path takes."""
        mtu = self._site.path_mtu(bundle, now)
        verdict = fit(bundle, packet, mtu)
        if verdict is Fit.TOO_BIG:
            self._tell_too_big(bundle, packet, mtu)
        if (verdict is Fit.FRAGMENT_INNER or _before(verdict, packet)) and _any_port(bundle):
            parts = self._parts(packet, largest_inner(bundle, mtu))
            return [self._sealed(bundle, part, now) for part in parts]
        wire = self._sealed(bundle, packet, now)
        if verdict is Fit.WHOLE:
            return [wire]
        return [part.build() for part in self._parts(parse_packet(wire), mtu)]

    def _sealed(self, bundle: Bundle, packet: Packet, now: float) -> bytes:
        sent = self._site.plane.outbound(packet, bundle, now)
        if isinstance(sent, AuditEvent):
            self._site.drop(sent)
            raise _NotSentError
        return sent.wire

    def _parts(self, packet: Packet, mtu: int) -> list[Packet]:
        try:
            return fragment(packet, mtu, self._site.plane.identifications.next())
        except FragmentationNeededError as error:
            self._site.refuse(DropReason.OUT_TOO_BIG, packet, str(error))
            raise _NotSentError from error
        except MalformedPacketError as error:
            self._site.refuse(DropReason.OUT_HEADER, packet, str(error))
            raise _NotSentError from error

    def _tell_too_big(self, bundle: Bundle, packet: Packet, mtu: int) -> NoReturn:
        router = self._site.own_address(packet)
        message = too_big(bundle, packet, mtu, router) if router else None
        fitting = told_mtu(bundle, packet, mtu)
        detail = f"{packet.total_length} octets where {fitting} fit"
        self._tell(DropReason.OUT_TOO_BIG, packet, detail, message)

    def _tell(
        self, reason: DropReason, packet: Packet, detail: str, message: Packet | None
    ) -> NoReturn:
        """Drop a packet, and let its sender know where that is allowed."""
        self._site.refuse(reason, packet, detail)
        if message is not None:
            self._site.events.append(SenderTold(message))
        raise _NotSentError

    def _remember(self, going: _Departure, bundle: Bundle) -> None:
        """Let the next packets of this flow take the short way, where one serves."""
        simple = len(going.entry.templates) == len(bundle.sas) == 1
        if not simple or not flow.serves(bundle.outer) or not flow.is_regular(going.packet):
            return
        if len(self._flows) >= MOST_FLOWS:
            self._flows.clear()
        plane, mtu = self._site.plane, self._site.path_mtu(bundle, going.now)
        self._flows[flow.key_of(going.octets)] = flow.outbound(
            bundle.outer,
            going.octets[: going.packet.total_length],
            random=plane.random,
            identifications=plane.identifications,
            largest=largest_inner(bundle, min(mtu, MAX_TOTAL_LENGTH)),
        )


def _before(verdict: Fit, packet: Packet) -> bool:
    """Whether what may be cut before or after is cut before: fragments of ESP carry no more SAs."""
    return verdict is Fit.FRAGMENT_EITHER and packet.protocol not in HANDLERS


def _any_port(bundle: Bundle) -> bool:
    """Whether later fragments, which show no ports, are covered as the first one is."""
    selector = bundle.inner.selector
    return (selector.source_port, selector.destination_port) == (ANY_PORT, ANY_PORT)
