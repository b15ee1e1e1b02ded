"""Packets that are too large, or come in parts, at the boundary (RFC 4301 7, 8.2)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.random import seeded_random
from conformance.ipsec.boundary import Boundary
from conformance.ipsec.crossing import PathMtuLearned, SaWanted, SenderTold
from conformance.ipsec.drops import DropReason
from conformance.ipsec.fragments import fragment
from conformance.ipsec.icmp_errors import ErrorKind, error_about, error_of
from conformance.ipsec.ip import DONT_FRAGMENT, Ipv4Packet
from conformance.ipsec.ip6 import ExtensionHeader, Ipv6Packet
from conformance.ipsec.packet import parse_packet
from conformance.ipsec.results import AuditEvent
from conformance.ipsec.selector import PortRange, Selector
from conformance.ipsec.spd import Spd, SpdEntry, Template
from conformance.ipsec.tunnel_header import TunnelHeader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import MakeSa

    from conformance.ipsec.packet import Packet
    from conformance.ipsec.sad import SecurityAssociation

ALICE, BOB, ROUTER = (IPv4Address(f"192.0.2.{n}") for n in (1, 2, 9))
ALICE_NET, BOB_NET = IPv4Network("10.78.1.0/24"), IPv4Network("10.78.2.0/24")
SIXES = IPv6Network("fd00:1::/64"), IPv6Network("fd00:2::/64")
THERE = Selector(ALICE_NET, BOB_NET)
UDP = 17
MTU = 1000


class Ends:
    """Alice, whose link takes 1000 octets, and Bob, with an SA from her to him."""

    def __init__(
        self, make_sa: MakeSa, selector: Selector = THERE, *, forwards: bool = False, **changes: Any
    ) -> None:
        entry = SpdEntry("protect", (selector,), (Template("tunnel", (ALICE, BOB)),))
        back = SpdEntry("protect", (selector.mirrored,), (Template("tunnel", (BOB, ALICE)),))
        self.alice = Boundary(
            Spd([entry]), [ALICE], random=seeded_random("alice"), mtu=MTU, forwards=forwards
        )
        self.bob = Boundary(Spd([back]), [BOB], random=seeded_random("bob"))
        parameters = {"selector": selector} | changes
        self.sa: SecurityAssociation = make_sa(direction="out", **parameters)
        self.alice.sad.add(self.sa)
        self.bob.sad.add(make_sa(direction="in", **parameters))

    def carry(self, wires: Iterable[bytes]) -> list[Packet]:
        """What comes out behind Bob."""
        return [parse_packet(one) for wire in wires for one in self.bob.inbound(wire, 0.0)]

    def told(self) -> Packet:
        """What Alice tells a sender whose packet she dropped."""
        event, message = self.alice.next_event(), self.alice.next_event()
        assert isinstance(event, AuditEvent)
        assert isinstance(message, SenderTold)
        return message.message


def packet(size: int, ports: tuple[int, int] = (1024, 53), **changes: Any) -> Ipv4Packet:
    payload = ports[0].to_bytes(2) + ports[1].to_bytes(2) + bytes(size - 24)
    given = {"source": ALICE_NET[1], "destination": BOB_NET[1], "protocol": UDP}
    return Ipv4Packet(**given | changes, payload=payload, identification=77)


def six(size: int) -> Ipv6Packet:
    return Ipv6Packet(SIXES[0][1], SIXES[1][1], UDP, bytes(size - 40))


def joined(packets: list[Packet]) -> bytes:
    """The payload that fragments make together."""
    parts = sorted(packets, key=lambda one: one.fragment_offset)
    return b"".join(part.payload for part in parts)


@pytest.mark.parametrize("size", [100, 999, 1000, 1001, 1500, 4000])
def test_what_is_too_large_is_cut_before_it_is_protected(size: int, make_sa: MakeSa) -> None:
    """RFC 4301 8.2.1: no packet on the wire is larger than the path takes, and each is whole."""
    ends, sent = Ends(make_sa), packet(size)
    wires = ends.alice.outbound(sent.build(), 0.0)
    assert max(map(len, wires)) <= MTU
    assert not any(parse_packet(wire).is_fragment for wire in wires)
    assert joined(ends.carry(wires)) == sent.payload


def test_with_ports_it_is_cut_afterwards(make_sa: MakeSa) -> None:
    """A later fragment shows no port that the SA could be found by (RFC 4301 7.1)."""
    selector = replace(THERE, protocol=UDP, destination_port=PortRange.of(53))
    ends, sent = Ends(make_sa, selector), packet(1500)
    wires = ends.alice.outbound(sent.build(), 0.0)
    assert max(map(len, wires)) <= MTU
    assert all(parse_packet(wire).is_fragment for wire in wires)
    assert ends.carry(wires[::-1]) == [sent]


def test_df_tells_the_sender_what_would_fit(make_sa: MakeSa) -> None:
    ends = Ends(make_sa)
    assert ends.alice.outbound(packet(1000, flags=DONT_FRAGMENT).build(), 0.0) == ()
    message = ends.told()
    error = error_of(message)
    assert error is not None
    assert (error.kind, message.source, message.destination) == (
        ErrorKind.TOO_BIG,
        ALICE,
        ALICE_NET[1],
    )
    for size, crosses in ((error.mtu, 1), (error.mtu + 1, 0)):
        sent = packet(size, flags=DONT_FRAGMENT).build()
        assert len(ends.alice.outbound(sent, 0.0)) == crosses
    assert ends.alice.counters == {DropReason.OUT_TOO_BIG: 2}


def test_df_that_the_tunnel_clears_lets_the_wire_be_cut(make_sa: MakeSa) -> None:
    ends = Ends(make_sa, tunnel_header=TunnelHeader(df="clear"))
    sent = packet(1000, flags=DONT_FRAGMENT)
    wires = ends.alice.outbound(sent.build(), 0.0)
    assert len(wires) == 2
    assert ends.carry(wires) == [sent]


def test_ipv6_inside_is_told_too(make_sa: MakeSa) -> None:
    selector = Selector(*SIXES)
    ends = Ends(make_sa, selector)
    assert ends.alice.outbound(six(1400).build(), 0.0) == ()
    # Alice has no IPv6 address of her own to tell it from.
    event = ends.alice.next_event()
    assert isinstance(event, AuditEvent)
    assert event.reason is DropReason.OUT_TOO_BIG
    wires = ends.alice.outbound(six(1280).build(), 0.0)
    assert len(wires) == 2
    assert ends.carry(wires) == [six(1280)]


def test_a_path_that_takes_less_is_learnt(make_sa: MakeSa) -> None:
    """RFC 4301 8.2.1: from an ICMP message that nobody authenticated, about an SA that stands."""
    ends, sent = Ends(make_sa), packet(900, flags=DONT_FRAGMENT).build()
    wires = [ends.alice.outbound(sent, now)[0] for now in (0.0, 1.0)]
    message = error_about(parse_packet(wires[1]), ErrorKind.TOO_BIG, ROUTER, mtu=700)
    assert message is not None
    assert ends.alice.inbound(message.build(), 2.0) == ()
    assert ends.alice.next_event() == PathMtuLearned(ends.sa, 700)
    assert ends.alice.outbound(sent, 3.0) == ()
    error = error_of(ends.told())
    assert error is not None
    assert error.mtu < 700
    assert ends.alice.outbound(sent, 602.0 + 1.0)


@pytest.mark.parametrize(
    "change",
    [
        {"payload": (0x99).to_bytes(4) + bytes(40)},
        {"source": BOB, "destination": ALICE},
        {"protocol": 51},
    ],
)
def test_what_is_about_no_sa_is_judged_by_policy(change: dict[str, Any], make_sa: MakeSa) -> None:
    ends = Ends(make_sa)
    (wire,) = ends.alice.outbound(packet(900).build(), 0.0)
    quoted = replace(Ipv4Packet.parse(wire), **change)
    message = error_about(quoted, ErrorKind.TOO_BIG, ROUTER, mtu=700)
    assert message is not None
    told = replace(message, destination=ALICE) if message.destination != ALICE else message
    assert ends.alice.inbound(told.build(), 1.0) == ()
    event = ends.alice.next_event()
    assert isinstance(event, AuditEvent)
    assert event.reason is DropReason.IN_POLICY


def test_fragments_of_esp_are_joined_first(make_sa: MakeSa) -> None:
    """RFC 4303 3.4.1; in any order, and a packet that lacks one ends after a while."""
    ends, sent = Ends(make_sa), packet(900)
    (wire,) = ends.alice.outbound(sent.build(), 0.0)
    parts = [one.build() for one in fragment(parse_packet(wire), 300)]
    assert ends.carry(parts[1:]) == []
    assert ends.bob.get_timer() == 60.0
    assert ends.carry(parts[:1]) == [sent]
    assert ends.bob.get_timer() is None
    (wire,) = ends.alice.outbound(sent.build(), 0.0)
    assert ends.carry([one.build() for one in fragment(parse_packet(wire), 300)][:2]) == []
    ends.bob.handle_timer(60.0)
    assert ends.bob.counters == {DropReason.IN_REASSEMBLY: 1}


def test_overlapping_fragments_are_dropped(make_sa: MakeSa) -> None:
    ends = Ends(make_sa)
    (wire,) = ends.alice.outbound(packet(900).build(), 0.0)
    first, second, *_ = fragment(parse_packet(wire), 300)
    overlapping = replace(second, fragment_offset=second.fragment_offset - 1)  # type: ignore[call-arg]
    assert ends.carry([first.build(), overlapping.build()]) == []
    assert ends.bob.counters == {DropReason.IN_REASSEMBLY: 1}


def test_later_fragments_follow_the_first_one_into_an_sa_with_ports(make_sa: MakeSa) -> None:
    """RFC 4301 7.3, stateful fragment checking, at both ends; before the first one none passes."""
    selector = replace(THERE, protocol=UDP, destination_port=PortRange.of(53))
    ends = Ends(make_sa, selector)
    parts = fragment(packet(1500), 800)
    assert ends.alice.outbound(parts[1].build(), 0.0) == ()
    wires = [wire for part in parts for wire in ends.alice.outbound(part.build(), 0.0)]
    assert ends.carry(wires[1:]) == []
    assert ends.bob.counters == {DropReason.IN_SELECTOR: len(wires) - 1}
    wires = [wire for part in parts for wire in ends.alice.outbound(part.build(), 0.0)]
    assert joined(ends.carry(wires)) == packet(1500).payload


@pytest.mark.parametrize(("offset", "size", "crosses"), [(0, 8, 0), (1, 40, 0), (2, 40, 1)])
def test_fragments_that_could_overwrite_a_tcp_header_end_here(
    offset: int, size: int, crosses: int, make_sa: MakeSa
) -> None:
    """The minimum offset check of RFC 4301 7.2, on what comes out of the SA."""
    ends = Ends(make_sa)
    part = replace(packet(20 + size, protocol=6), fragment_offset=offset, flags=1)
    assert ends.carry(ends.alice.outbound(part.build(), 0.0)) == [part] * crosses
    assert ends.bob.counters == ({} if crosses else {DropReason.IN_FRAGMENT: 1})


def test_icmp_errors_go_where_the_traffic_goes_that_they_are_about(make_sa: MakeSa) -> None:
    """RFC 4301 6.2: looked up by the packet that is quoted, its ends exchanged."""
    selector = Selector(ALICE_NET, BOB_NET, 6)
    ends = Ends(make_sa, selector)
    arrived = Ipv4Packet(BOB_NET[1], ALICE_NET[1], 6, bytes(20))
    inside = ALICE_NET[254]
    for about, crosses in ((arrived, 1), (replace(arrived, protocol=UDP), 0)):
        message = error_about(about, ErrorKind.UNREACHABLE, inside)
        assert message is not None
        wires = ends.alice.outbound(message.build(), 0.0)
        assert len(wires) == crosses
        assert ends.carry(wires) == [message] * crosses


def test_a_gateway_takes_a_hop(make_sa: MakeSa) -> None:
    """RFC 4301 5.1.2.1: the inner TTL is decremented before the packet is protected."""
    ends = Ends(make_sa, forwards=True)
    for ttl in (64, 2):
        sent = packet(100, ttl=ttl)
        arrived = ends.carry(ends.alice.outbound(sent.build(), 0.0))
        assert arrived == [replace(sent, ttl=ttl - 1)]
    assert ends.alice.outbound(packet(100, ttl=1).build(), 0.0) == ()
    error = error_of(ends.told())
    assert error is not None
    assert error.kind is ErrorKind.TIME_EXCEEDED


def test_a_gateway_takes_no_hop_of_its_own_packets(make_sa: MakeSa) -> None:
    selector = Selector(IPv4Network(ALICE), BOB_NET)
    ends = Ends(make_sa, selector, forwards=True)
    sent = packet(100, source=ALICE, ttl=1)
    assert ends.carry(ends.alice.outbound(sent.build(), 0.0)) == [sent]


def test_ipv6_addresses_serve_ipv6_senders(make_sa: MakeSa) -> None:
    here, there = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
    selector = Selector(*SIXES)
    entry = SpdEntry("protect", (selector,), (Template("tunnel", (here, there)),))
    alice = Boundary(Spd([entry]), [here], random=seeded_random("alice"), mtu=1400)
    alice.sad.add(make_sa(source=here, destination=there, selector=selector))
    assert alice.outbound(six(1400).build(), 0.0) == ()
    assert isinstance(alice.next_event(), AuditEvent)
    told = alice.next_event()
    assert isinstance(told, SenderTold)
    error = error_of(told.message)
    assert error is not None
    assert error.mtu >= 1280
    assert len(alice.outbound(six(error.mtu).build(), 0.0)) == 1


def test_options_that_cannot_be_read_are_not_cut(make_sa: MakeSa) -> None:
    """Which options a later fragment repeats is not known of them (RFC 791 3.1)."""
    ends = Ends(make_sa)
    sent = packet(1500, options=bytes.fromhex("82010000"))
    assert ends.alice.outbound(sent.build(), 0.0) == ()
    assert ends.alice.counters == {DropReason.OUT_HEADER: 1}


def test_a_link_that_carries_little_believes_nobody(make_sa: MakeSa) -> None:
    """Nothing below 576 octets is believed of any path, and so nothing is learnt."""
    entry = SpdEntry("protect", (THERE,), (Template("tunnel", (ALICE, BOB)),))
    alice = Boundary(Spd([entry]), [ALICE], random=seeded_random("alice"), mtu=500)
    alice.sad.add(make_sa(direction="out", selector=THERE))
    (wire,) = alice.outbound(packet(300).build(), 0.0)
    message = error_about(parse_packet(wire), ErrorKind.TOO_BIG, ROUTER, mtu=100)
    assert message is not None
    assert alice.inbound(message.build(), 0.0) == ()
    assert alice.next_event() is None
    assert alice.outbound(packet(300).build(), 0.0)


def test_later_fragments_do_not_leak_past_the_policy_of_the_first(make_sa: MakeSa) -> None:
    """RFC 4301 7.4: also where the first one did not leave, because no SA stands."""
    selector = replace(THERE, protocol=UDP, destination_port=PortRange.of(53))
    ends = Ends(make_sa, selector)
    alice = Boundary(
        Spd([*ends.alice.spd, SpdEntry("bypass", (THERE,))]), [ALICE], random=seeded_random("alice")
    )
    assert [alice.outbound(part.build(), 0.0) for part in fragment(packet(1500), 800)] == [()] * 2


@pytest.mark.parametrize("way", ["out", "in"])
def test_fragments_are_let_through_like_the_first_one(way: str) -> None:
    """RFC 4301 7.4, stateful fragment checking of what is let through by its ports."""
    selector = replace(THERE, protocol=UDP, destination_port=PortRange.of(53))
    policy = SpdEntry("bypass", (selector if way == "out" else selector.mirrored,))
    alice = Boundary(Spd([policy]), [ALICE], random=seeded_random("alice"))
    cross = alice.outbound if way == "out" else alice.inbound
    first, second = (part.build() for part in fragment(packet(1500), 800))
    assert cross(second, 0.0) == ()
    assert cross(first, 0.0) == (first,)
    assert cross(second, 0.0) == (second,)
    other = [one.build() for one in fragment(packet(1500, ports=(1024, 54), tos=4), 800)]
    assert [cross(one, 0.0) for one in other] == [(), ()]


def test_clear_fragments_tell_nothing_of_protected_ones(make_sa: MakeSa) -> None:
    """A forged first fragment neither opens nor closes the way of those that an SA brings."""
    selector = replace(THERE, protocol=UDP, destination_port=PortRange.of(53))
    ends = Ends(make_sa, selector)
    open_port = replace(THERE, protocol=UDP, destination_port=PortRange.of(54)).mirrored
    ends.bob.spd = Spd([*ends.bob.spd, SpdEntry("bypass", (open_port,))])
    parts = fragment(packet(1500), 800)
    forged = [one.build() for one in fragment(packet(1500, ports=(1024, 54)), 800)]
    wires = [wire for part in parts for wire in ends.alice.outbound(part.build(), 0.0)]
    assert len(ends.carry(wires[:1])) == 1
    assert ends.bob.inbound(forged[0], 0.0) == (forged[0],)
    assert ends.bob.inbound(forged[1], 0.0) == ()
    assert len(ends.carry(wires[1:])) == len(wires) - 1


@pytest.mark.parametrize("size", [900, 940, 1500])
def test_nested_tunnels_cut_no_esp_before_it_is_protected(size: int, make_sa: MakeSa) -> None:
    """The receiver must not take a fragment of ESP out of an SA (RFC 4303 3.4.1)."""
    ends = Ends(make_sa)
    hosts = Selector(IPv4Network(ALICE), IPv4Network(BOB))
    for boundary, direction in ((ends.alice, "out"), (ends.bob, "in")):
        (entry,) = boundary.spd
        boundary.spd = Spd([replace(entry, templates=entry.templates * 2)])
        boundary.sad.add(make_sa(direction=direction, spi=99, selector=hosts))
    wires = ends.alice.outbound(packet(size).build(), 0.0)
    assert max(map(len, wires)) <= MTU
    assert joined(ends.carry(wires)) == packet(size).payload


def test_sas_wanted_for_later_fragments_carry_the_first_ones_ports() -> None:
    """Populate from packet, though the packet shows none (RFC 4301 4.4.1.2, 7.3)."""
    selector = replace(THERE, protocol=UDP)
    entry = SpdEntry("protect", (selector,), populate=frozenset({"destination_port"}))
    alice = Boundary(Spd([entry]), [ALICE], random=seeded_random("alice"))
    for part in fragment(packet(1500), 800):
        assert alice.outbound(part.build(), 0.0) == ()
        wanted = alice.next_event()
        assert isinstance(wanted, SaWanted)
        assert wanted.selector == replace(selector, destination_port=PortRange.of(53))


def test_later_fragments_of_ipv6_go_by_the_first_ones_protocol(make_sa: MakeSa) -> None:
    """They show the number of the first header behind the fragment header (RFC 8200 4.5)."""
    selector = Selector(*SIXES, UDP)
    ends = Ends(make_sa, selector)
    for boundary, clear in ((ends.alice, Selector(*SIXES)), (ends.bob, Selector(*SIXES).mirrored)):
        boundary.spd = Spd([*boundary.spd, SpdEntry("bypass", (clear,))])
    options = ExtensionHeader(60, bytes.fromhex("00010400000000"))
    parts = fragment(replace(six(1800), headers=(options,)), 900)
    assert [part.protocol for part in parts[1:]] == [60] * (len(parts) - 1)
    wires = [wire for part in parts for wire in ends.alice.outbound(part.build(), 0.0)]
    assert {wire[0] >> 4 for wire in wires} == {4}
    assert ends.carry(wires) == parts
