"""Policies at the boundary: what they let through, protect, discard, and want SAs for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.random import seeded_random
from conformance.ipsec.boundary import Boundary
from conformance.ipsec.crossing import MOST_EVENTS, SaWanted
from conformance.ipsec.drops import DropReason
from conformance.ipsec.ip import Ipv4Packet, Protocol
from conformance.ipsec.lifetime import Lifetime, LifetimeReached
from conformance.ipsec.packet import host_network
from conformance.ipsec.results import AuditEvent
from conformance.ipsec.sad import Bundle, Sad
from conformance.ipsec.selector import OPAQUE, PortRange, Selector
from conformance.ipsec.spd import Spd, SpdEntry, Template

if TYPE_CHECKING:
    from conftest import MakeSa


ALICE, BOB, CAROL = (IPv4Address(f"192.0.2.{n}") for n in (1, 2, 3))
ALICE_NET, BOB_NET = IPv4Network("10.78.1.0/24"), IPv4Network("10.78.2.0/24")
ICMP, TCP, UDP = 1, 6, 17
THERE = Selector(ALICE_NET, BOB_NET)


def packet(protocol: int = UDP, ports: tuple[int, int] = (1024, 53), **changes: Any) -> Ipv4Packet:
    """From a host of Alice's network to one of Bob's."""
    payload = b"".join(port.to_bytes(2) for port in ports) + b"payload"
    ends = {"source": ALICE_NET[1], "destination": BOB_NET[1]}
    return Ipv4Packet(**ends | changes, protocol=protocol, payload=payload)


def answer_to(sent: Ipv4Packet) -> Ipv4Packet:
    """The same the other way round."""
    ports = sent.payload[2:4] + sent.payload[:2]
    payload = ports + sent.payload[4:]
    return replace(sent, source=sent.destination, destination=sent.source, payload=payload)


PROTECT = SpdEntry("protect", (THERE,), (Template("tunnel", (ALICE, BOB)),))
BYPASS_DNS = SpdEntry("bypass", (replace(THERE, protocol=UDP, destination_port=PortRange.of(53)),))
DISCARD_SMTP = SpdEntry(
    "discard", (replace(THERE, protocol=TCP, destination_port=PortRange.of(25)),), name="no mail"
)


@dataclass
class Ends:
    """Alice's and Bob's boundaries, with the same policies, seen from either."""

    alice: Boundary
    bob: Boundary

    def carry(self, sent: Ipv4Packet) -> tuple[bytes, ...]:
        """What arrives behind Bob of a packet that leaves from behind Alice."""
        (wire,) = self.alice.outbound(sent.build(), 0.0)
        return self.bob.inbound(wire, 0.0)


def mirrored(entry: SpdEntry) -> SpdEntry:
    """The entry as the other end has it."""
    templates = tuple(replace(one, ends=one.ends and one.ends[::-1]) for one in entry.templates)
    return replace(
        entry, selectors=tuple(one.mirrored for one in entry.selectors), templates=templates
    )


def make_ends(*entries: SpdEntry) -> Ends:
    return Ends(
        Boundary(Spd(entries), [ALICE], random=seeded_random("alice")),
        Boundary(Spd(map(mirrored, entries)), [BOB], random=seeded_random("bob")),
    )


def join(ends: Ends, make_sa: MakeSa, **changes: Any) -> None:
    """An SA from Alice to Bob at both."""
    ends.alice.sad.add(make_sa(direction="out", **changes))
    ends.bob.sad.add(make_sa(direction="in", **changes))


def reason(boundary: Boundary) -> DropReason:
    """Why the packet before was dropped, the only event there is."""
    event = boundary.next_event()
    assert isinstance(event, AuditEvent), event
    assert boundary.next_event() is None
    return event.reason


def test_the_first_entry_that_fits_decides(make_sa: MakeSa) -> None:
    ends = make_ends(DISCARD_SMTP, BYPASS_DNS, PROTECT)
    join(ends, make_sa)
    clear = packet()
    assert ends.alice.outbound(clear.build(), 0.0) == (clear.build(),)
    assert ends.bob.inbound(clear.build(), 0.0) == (clear.build(),)
    assert ends.alice.outbound(packet(TCP, (1024, 25)).build(), 0.0) == ()
    assert reason(ends.alice) is DropReason.OUT_POLICY
    for sent in (packet(TCP, (1024, 80)), packet(ICMP, (0x0800, 0)), packet(UDP, (53, 54))):
        (wire,) = ends.alice.outbound(sent.build(), 0.0)
        assert wire[9] == Protocol.ESP
        assert ends.bob.inbound(wire, 0.0) == (sent.build(),)


def test_what_no_policy_speaks_of_is_discarded_both_ways() -> None:
    """RFC 4301 5.1 and 5.2: the final entry of an SPD discards."""
    ends, outside = make_ends(PROTECT), packet(destination=CAROL).build()
    assert ends.alice.outbound(outside, 0.0) == ()
    assert reason(ends.alice) is DropReason.OUT_POLICY
    assert ends.alice.inbound(outside, 0.0) == ()
    assert reason(ends.alice) is DropReason.IN_POLICY
    assert ends.alice.counters == {DropReason.OUT_POLICY: 1, DropReason.IN_POLICY: 1}


def test_what_has_to_be_protected_does_not_arrive_in_the_clear(make_sa: MakeSa) -> None:
    ends = make_ends(PROTECT)
    join(ends, make_sa)
    assert ends.bob.inbound(packet().build(), 0.0) == ()
    assert reason(ends.bob) is DropReason.IN_SELECTOR


def test_what_may_go_in_the_clear_does_not_arrive_protected(make_sa: MakeSa) -> None:
    """RFC 2401 5.2.1 step 3: the policy that fits must be one that wants the SAs used."""
    ends = make_ends(PROTECT)
    join(ends, make_sa)
    ends.bob.spd = Spd([mirrored(BYPASS_DNS), mirrored(PROTECT)])
    assert ends.carry(packet(UDP, (1024, 54)))
    assert ends.carry(packet()) == ()
    assert reason(ends.bob) is DropReason.IN_SELECTOR


def test_policies_one_way_alone() -> None:
    """RFC 4301 4.4.1: bypass and discard may differ by direction."""
    ends = make_ends(replace(BYPASS_DNS, ways=("out",)))
    clear = packet()
    assert ends.alice.outbound(clear.build(), 0.0)
    assert ends.alice.inbound(answer_to(clear).build(), 0.0) == ()
    assert reason(ends.alice) is DropReason.IN_POLICY


def test_the_answer_fits_the_same_entry() -> None:
    ends, clear = make_ends(BYPASS_DNS), packet()
    answer = answer_to(clear).build()
    assert ends.bob.outbound(answer, 0.0) == (answer,)
    assert ends.alice.inbound(answer, 0.0) == (answer,)


POPULATED: list[tuple[set[str], Ipv4Packet, Selector]] = [
    (set(), packet(), THERE),
    ({"source"}, packet(), replace(THERE, source=host_network(ALICE_NET[1]))),
    ({"destination"}, packet(), replace(THERE, destination=host_network(BOB_NET[1]))),
    ({"protocol"}, packet(), replace(THERE, protocol=UDP)),
    (
        {"protocol", "source_port", "destination_port"},
        packet(),
        Selector(ALICE_NET, BOB_NET, UDP, PortRange.of(1024), PortRange.of(53)),
    ),
    (
        {"source_port", "destination_port"},
        packet(ICMP, (0x0803, 0)),
        replace(THERE, source_port=PortRange(8, 8), destination_port=PortRange(3, 3)),
    ),
    ({"source_port"}, packet(253), replace(THERE, source_port=OPAQUE)),
]


@pytest.mark.parametrize(("fields", "sent", "selector"), POPULATED)
def test_what_new_sas_take_from_the_packet(
    fields: set[str], sent: Ipv4Packet, selector: Selector, make_sa: MakeSa
) -> None:
    """PFP (RFC 4301 4.4.1.2); with such an SA the packet leaves, and others want their own."""
    entry = replace(PROTECT, populate=frozenset(fields))
    ends = make_ends(entry)
    assert ends.alice.outbound(sent.build(), 0.0) == ()
    wanted = ends.alice.next_event()
    assert wanted == SaWanted(sent, entry, entry.templates[0], selector)
    join(ends, make_sa, selector=selector)
    assert ends.carry(sent) == (sent.build(),)
    if "protocol" in fields:
        assert ends.alice.outbound(packet(TCP).build(), 0.0) == ()
        assert isinstance(ends.alice.next_event(), SaWanted)


def test_an_sa_that_protects_otherwise_does_not_serve(make_sa: MakeSa) -> None:
    ends = make_ends(PROTECT)
    for changes in ({"destination": CAROL}, {"protocol": 51}):
        ends.alice.sad.add(make_sa(direction="out", **changes))
    assert ends.alice.outbound(packet().build(), 0.0) == ()
    assert isinstance(ends.alice.next_event(), SaWanted)
    join(ends, make_sa, spi=7)
    assert ends.carry(packet())


def test_the_newest_sa_serves_and_the_one_before_when_it_is_gone(make_sa: MakeSa) -> None:
    ends = make_ends(PROTECT)
    sas = [make_sa(direction="out", spi=spi) for spi in (7, 8)]
    for sa in sas:
        ends.alice.sad.add(sa)
        (wire,) = ends.alice.outbound(packet().build(), 0.0)
        assert int.from_bytes(wire[20:24]) == sa.spi
    ends.alice.sad.remove(sas[1])
    (wire,) = ends.alice.outbound(packet().build(), 0.0)
    assert int.from_bytes(wire[20:24]) == sas[0].spi


NESTED = SpdEntry(
    "protect",
    (Selector(host_network(ALICE), BOB_NET),),
    (Template("tunnel", (ALICE, BOB)), Template("transport", None, (Protocol.AH,))),
)
"""AH from Alice to Bob around a tunnel of ESP, as two SAs that were agreed on apart."""


def test_nested_sas(make_sa: MakeSa) -> None:
    """RFC 4301 Appendix E: what one SA made is protected by the next, and taken off in turn."""
    ends = make_ends(NESTED)
    join(ends, make_sa, selector=Selector(host_network(ALICE), BOB_NET))
    sent = packet(source=ALICE)
    assert ends.alice.outbound(sent.build(), 0.0) == ()
    wanted = ends.alice.next_event()
    assert isinstance(wanted, SaWanted)
    assert wanted.template == NESTED.templates[1]
    outer = wanted.selector
    assert outer == Selector(host_network(ALICE), host_network(BOB), Protocol.ESP)
    join(ends, make_sa, spi=9, protocol=51, mode="transport", selector=outer)
    (wire,) = ends.alice.outbound(sent.build(), 0.0)
    assert (wire[9], wire[20]) == (Protocol.AH, Protocol.ESP)
    assert ends.bob.inbound(wire, 0.0) == (sent.build(),)


def test_a_nested_sa_must_not_be_left_out(make_sa: MakeSa) -> None:
    ends = make_ends(NESTED)
    join(ends, make_sa, selector=Selector(host_network(ALICE), BOB_NET))
    ends.alice.spd = Spd([replace(NESTED, templates=NESTED.templates[:1])])
    assert ends.carry(packet(source=ALICE)) == ()
    assert reason(ends.bob) is DropReason.IN_SELECTOR


def test_a_tunnel_within_a_tunnel_to_another_end(make_sa: MakeSa) -> None:
    """Carol is the gateway in front of Bob: her SA carries the SA to him."""
    to_carol = Template("tunnel", (ALICE, CAROL))
    entry = replace(PROTECT, templates=(Template("tunnel", (ALICE, BOB)), to_carol))
    alice = Boundary(Spd([entry]), [ALICE], random=seeded_random("alice"))
    around: dict[str, Any] = {
        "spi": 0xCA401,
        "destination": CAROL,
        "selector": Selector(host_network(ALICE), host_network(BOB), Protocol.ESP),
    }
    alice.sad.add(make_sa(direction="out"))
    alice.sad.add(make_sa(direction="out", **around))
    (wire,) = alice.outbound(packet().build(), 0.0)
    of_carol = SpdEntry(
        "protect",
        (Selector(host_network(BOB), host_network(ALICE), Protocol.ESP),),
        (Template("tunnel", (CAROL, ALICE)),),
    )
    carol = Boundary(Spd([of_carol]), [CAROL], random=seeded_random("carol"))
    carol.sad.add(make_sa(direction="in", **around))
    (within,) = carol.inbound(wire, 0.0)
    bob = make_ends(PROTECT).bob
    bob.sad.add(make_sa(direction="in"))
    assert bob.inbound(within, 0.0) == (packet().build(),)


def test_bundles_are_wanted_and_checked_as_a_whole(make_sa: MakeSa) -> None:
    template = Template("tunnel", (ALICE, BOB), (Protocol.AH, Protocol.ESP))
    ends = make_ends(replace(PROTECT, templates=(template,)))
    join(ends, make_sa)
    assert ends.alice.outbound(packet().build(), 0.0) == ()
    assert isinstance(ends.alice.next_event(), SaWanted)
    for boundary, direction in ((ends.alice, "out"), (ends.bob, "in")):
        ah = make_sa(direction=direction, spi=3, protocol=51, mode="transport")
        boundary.sad.add(Bundle((ah, make_sa(direction=direction, spi=4))))
    assert ends.carry(packet()) == (packet().build(),)


def test_soft_and_hard_lifetimes_are_told(make_sa: MakeSa) -> None:
    """Also on the short way, which leaves them to the long one."""
    ends, sent = make_ends(PROTECT), packet()
    size = sent.total_length
    join(
        ends,
        make_sa,
        soft=Lifetime(packets=10),
        lifetime=Lifetime(bytes=20 * size, packets=10**6),
    )
    told: list[tuple[int, str, bool]] = []
    for number in range(1, 21):
        assert ends.carry(sent)
        while (event := ends.alice.next_event()) is not None:
            assert isinstance(event, LifetimeReached)
            told.append((number, event.limit, event.hard))
    assert told == [(10, "packets", False), (20, "bytes", True)]
    assert ends.alice.outbound(sent.build(), 0.0) == ()
    assert reason(ends.alice) is DropReason.OUT_EXPIRED


def test_seconds_end_an_sa_on_the_short_way_too(make_sa: MakeSa) -> None:
    ends, octets = make_ends(PROTECT), packet().build()
    join(ends, make_sa, soft=Lifetime(seconds=5), lifetime=Lifetime(seconds=10))
    for now in (0.0, 1.0, 4.0):
        assert ends.alice.outbound(octets, now)
    assert ends.alice.get_timer() == 5.0
    ends.alice.handle_timer(5.0)
    event = ends.alice.next_event()
    assert isinstance(event, LifetimeReached)
    assert not event.hard
    for now in (5.0, 6.0, 9.9):
        assert ends.alice.outbound(octets, now)
    assert ends.alice.outbound(octets, 10.0) == ()


def test_events_are_kept_in_bounded_number_and_counted_beyond() -> None:
    boundary = Boundary(Spd(), [ALICE], random=seeded_random("alice"), sad=Sad())
    for _ in range(MOST_EVENTS + 10):
        boundary.inbound(packet().build(), 0.0)
    kept = 0
    while boundary.next_event() is not None:
        kept += 1
    assert kept == MOST_EVENTS
    assert boundary.counters[DropReason.IN_POLICY] == MOST_EVENTS + 10
