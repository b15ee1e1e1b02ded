"""Fragments and their reassembly: any cut, any order, every overlap, and bounded memory."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.inet import fragment as scapy_fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6

from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.ecn import CE, ECT_0, NOT_ECT
from conformance.ipsec.engine import AuditEvent
from conformance.ipsec.fragments import (
    FragmentationNeededError,
    fragment,
    is_suspicious,
    key_of,
    piece_of,
)
from conformance.ipsec.ip import Ipv4Packet, MalformedPacketError
from conformance.ipsec.ip6 import ExtensionHeader, Ipv6Packet
from conformance.ipsec.packet import Packet, parse_packet
from conformance.ipsec.reassembly import Limits, Reassembly
from conformance.ipsec.stateful_fragments import Ports, StatefulFragments

if TYPE_CHECKING:
    from conftest import MakeInner, MakePair

FOUR = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
SIX = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
DATA = bytes(octet % 251 for octet in range(3000))
V4 = Ipv4Packet(*FOUR, 17, DATA, identification=0x1234, ttl=9)
V6 = Ipv6Packet(*SIX, 17, DATA, ttl=9, flow_label=0xABCDE)
HOP_BY_HOP = ExtensionHeader(0, bytes.fromhex("00050200000100"))
OPTIONS = ExtensionHeader(60, bytes.fromhex("00010400000000"))
ROUTED = ExtensionHeader(43, bytes((2, 0, 0, 0, 0, 0, 0)) + SIX[0].packed)
ATOMIC = ExtensionHeader(44, bytes((0, 0, 0, 0, 0, 0, 7)))
CHAINS = {
    "none": (),
    "hop by hop": (HOP_BY_HOP,),
    "options": (OPTIONS,),
    "all": (HOP_BY_HOP, OPTIONS, ROUTED, OPTIONS),
}
BOTH = {"4": V4, "6": V6}

both = pytest.mark.parametrize("packet", BOTH.values(), ids=BOTH)


def resent(packets: list[Packet]) -> list[Packet]:
    """The packets as their receiver parses them."""
    return [parse_packet(packet.build()) for packet in packets]


def reassembled(fragments: list[Packet], limits: Limits | None = None) -> list[Packet]:
    """Every packet that comes out, none of which may come before the last fragment."""
    table = Reassembly(limits)
    *before, last = [table.add(one, 0.0) for one in resent(fragments)]
    assert not any(before)
    assert (len(table), table.octets) == (0, 0)
    return [last] if last else []


def refused(table: Reassembly, fragment: Packet, match: str, now: float = 0.0) -> None:
    with pytest.raises(PacketDroppedError, match=match) as caught:
        table.add(fragment, now)
    assert caught.value.reason is DropReason.IN_REASSEMBLY


# Making them.


@pytest.mark.parametrize("mtu", [68, 576, 1006, 1500, 2999])
def test_the_same_octets_as_scapy(mtu: int) -> None:
    """RFC 791 3.2: every offset, flag and checksum."""
    theirs = scapy_fragment(IP(V4.build()), fragsize=(mtu - 20) // 8 * 8)
    ours = fragment(V4, mtu)
    assert [one.build() for one in ours] == [bytes(one) for one in theirs]
    assert max(one.total_length for one in ours) <= mtu


@pytest.mark.parametrize("mtu", [1280, 1281, 1500, 2000])
def test_the_same_octets_as_scapy_over_ipv6(mtu: int) -> None:
    """RFC 8200 4.5: the fragment header comes behind the fixed one."""
    packet = replace(V6, protocol=253)
    whole = IPv6(packet.build())
    layer = whole.payload
    whole.remove_payload()
    whole.plen, whole.nh = None, 44
    theirs = fragment6(whole / IPv6ExtHdrFragment(id=7, nh=253) / layer, mtu)
    assert [one.build() for one in fragment(packet, mtu, 7)] == [bytes(one) for one in theirs]


@both
def test_what_fits_stays_whole(packet: Packet) -> None:
    size = packet.total_length
    assert fragment(packet, size) == [packet]
    assert len(fragment(packet, size - 1)) == 2


def test_df_is_honoured() -> None:
    """RFC 791 3.1: with DF set, it is discarded where it does not fit."""
    with pytest.raises(FragmentationNeededError) as caught:
        fragment(replace(V4, flags=0b010), 1500)
    assert (caught.value.mtu, caught.value.packet.total_length) == (1500, 3020)


@pytest.mark.parametrize(
    ("packet", "mtu"), [(V4, 27), (V6, 55), (replace(V6, headers=(OPTIONS,) * 9), 112)]
)
def test_no_fragment_without_all_headers(packet: Packet, mtu: int) -> None:
    """Eight octets of data at least; and all of IPv6's headers in the first (RFC 8200 4.5)."""
    with pytest.raises(FragmentationNeededError):
        fragment(packet, mtu)


def test_options_are_copied_as_their_bit_says() -> None:
    """RFC 791 3.1: record route (7) in the first fragment alone, router alert (0x94) in each."""
    options = bytes.fromhex("0707040000000001" + "94040000")
    first, *others = fragment(replace(V4, options=options), 1500)
    assert isinstance(first, Ipv4Packet)
    assert first.options == options
    assert {one.options for one in others if isinstance(one, Ipv4Packet)} == {options[8:]}


def test_a_fragment_is_cut_again() -> None:
    """RFC 791 3.2: by a router further on; the pieces are still the first packet's."""
    coarse = fragment(V4, 1500)
    fine = [piece for one in coarse for piece in fragment(one, 576)]
    assert len(fine) > len(coarse)
    assert reassembled(fine) == [V4]


def test_ipv6_fragments_are_not_cut_again() -> None:
    """RFC 8200 4.5: only the source fragments."""
    with pytest.raises(FragmentationNeededError):
        fragment(fragment(V6, 2000)[0], 1280)


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_every_fragment_repeats_what_routers_read(chain: tuple[ExtensionHeader, ...]) -> None:
    """RFC 8200 4.5: up to the routing header, else hop-by-hop options; the rest is cut."""
    packet = replace(V6, headers=chain)
    fragments = fragment(packet, 1280, 7)
    repeated = {"0": (HOP_BY_HOP,), "0-60-43-60": (HOP_BY_HOP, OPTIONS, ROUTED)}
    around = repeated.get("-".join(str(one.number) for one in chain), ())
    for one in resent(fragments):
        assert isinstance(one, Ipv6Packet)
        assert one.headers[: len(around)] == around
        assert one.headers[len(around)].number == 44
        assert key_of(one).identification == 7
    assert reassembled(fragments) == [packet]


def test_an_atomic_fragment_is_whole() -> None:
    """RFC 6946: it waits for no other, and loses its header where it is really cut."""
    packet = replace(V6, headers=(ATOMIC,))
    assert Reassembly().add(packet, 0.0) == packet
    assert reassembled(fragment(packet, 1500)) == [V6]


def test_later_fragments_have_no_headers_of_their_own() -> None:
    """Octets that look like an option's are data (RFC 8200 4.5)."""
    packet = replace(V6, headers=(OPTIONS,), payload=b"\xff" * 3000)
    later = Ipv6Packet.parse(fragment(packet, 1280)[1].build())
    assert (later.protocol, later.fragment_offset > 0) == (60, True)
    assert [one.number for one in later.headers] == [44]


# Any order.

cuts = st.integers(68, 2000)
payloads = st.binary(min_size=1, max_size=400).map(lambda octets: octets * 7)


@given(payloads, cuts, st.randoms(use_true_random=False), st.sampled_from(sorted(BOTH)))
def test_any_order_gives_the_same_packet(
    payload: bytes, mtu: int, random: Any, version: str
) -> None:
    """With duplicates on the way, which are let go (RFC 8200 4.5)."""
    packet = replace(BOTH[version], payload=payload)
    fragments = fragment(packet, mtu, 7)
    if len(fragments) == 1:
        return
    *most, last = random.sample(fragments, len(fragments))
    shuffled = most + random.sample(most, len(most)) + [last]
    assert reassembled(shuffled) == [packet]


def test_every_order_of_four() -> None:
    fragments = fragment(V4, 800)
    assert len(fragments) == 4
    for order in permutations(fragments):
        assert reassembled(list(order)) == [V4]


@both
def test_packets_are_told_apart(packet: Packet) -> None:
    """By addresses and identification (RFC 8200 4.5), in IPv4 by protocol too (RFC 791 3.2)."""
    other = replace(packet, payload=packet.payload[::-1])
    if isinstance(other, Ipv4Packet):
        other = replace(other, protocol=6)
    table = Reassembly()
    mixed = zip(fragment(packet, 1400, 1), fragment(other, 1400, 2), strict=True)
    whole = [table.add(one, 0.0) for pair in mixed for one in resent(list(pair))]
    assert [one for one in whole if one] == [packet, other]


# What is refused.


@given(st.integers(0, 400), st.integers(1, 373), st.sampled_from(sorted(BOTH)), st.data())
def test_every_overlap_is_refused(start: int, size: int, version: str, data: Any) -> None:
    """RFC 5722 4: the whole packet is given up, and what is still to come of it as well."""
    fragments = resent(fragment(BOTH[version], 600, 7))
    numbers = st.sampled_from(range(len(fragments)))
    known = data.draw(st.sets(numbers, min_size=1, max_size=len(fragments) - 1))
    table, forged = Reassembly(), piece(fragments[0], start, bytes(8 * size))
    for at in sorted(known):
        table.add(fragments[at], 0.0)
    covered = [piece_of(fragments[at]) for at in known]
    here = piece_of(forged)
    behind = any(not one.more and here.end >= one.end for one in covered)
    overlaps = any(one.start < here.end and here.start < one.end for one in covered)
    if not overlaps and not behind:
        assert table.add(forged, 0.0) is None
        return
    refused(table, forged, "overlap|behind the end")
    assert table.octets == 0
    for one in fragments:
        refused(table, one, "given up")


def piece(like: Packet, start: int, data: bytes, *, more: bool = True) -> Packet:
    """A fragment of the same packet; ``start`` in units of eight octets."""
    if isinstance(like, Ipv4Packet):
        return replace(like, fragment_offset=start, flags=int(more), payload=data)
    identification = key_of(like).identification.to_bytes(4)
    header = ExtensionHeader(44, b"\0" + (start << 3 | more).to_bytes(2) + identification)
    return replace(like, headers=(header,), payload=data)


@both
def test_another_end_is_refused(packet: Packet) -> None:
    like = fragment(packet, 600, 7)[0]
    for first, second in ((4, 5), (5, 4)):
        table = Reassembly()
        table.add(piece(like, first, bytes(8), more=False), 0.0)
        refused(table, piece(like, second, bytes(8), more=False), "behind the end")


@both
def test_nothing_is_behind_the_end(packet: Packet) -> None:
    """Whether the end was seen first or last."""
    like = fragment(packet, 600, 7)[0]
    end, behind = piece(like, 4, bytes(8), more=False), piece(like, 9, bytes(8))
    for first, second in ((end, behind), (behind, end)):
        table = Reassembly()
        table.add(first, 0.0)
        refused(table, second, "behind the end")


@both
@pytest.mark.parametrize(("size", "more"), [(0, True), (0, False), (7, True), (9, True)])
def test_odd_sizes_are_refused(packet: Packet, size: int, *, more: bool) -> None:
    """RFC 8200 4.5: a multiple of eight octets, but for the last; the packet itself may stand."""
    fragments = resent(fragment(packet, 1600, 7))
    table = Reassembly()
    refused(table, piece(fragments[0], 9, bytes(size), more=more), f"a fragment of {size} octets")
    assert [table.add(one, 0.0) for one in fragments][-1] == packet


ALERTS = bytes.fromhex("94040000" * 2)


@pytest.mark.parametrize(
    ("packet", "most"), [(V4, 65515), (replace(V4, options=ALERTS), 65507), (V6, 65535)]
)
def test_no_packet_is_larger_than_its_length_field(packet: Packet, most: int) -> None:
    """RFC 791 3.1, RFC 8200 4.5: the ping of death."""
    largest = replace(packet, payload=bytes(most))
    fragments = resent(fragment(largest, 1500, 7))
    assert reassembled(fragments) == [largest]
    *before, last = fragments
    table = Reassembly()
    for one in before:
        table.add(one, 0.0)
    refused(table, replace(last, payload=last.payload + b"\0"), r"a packet of \d+ octets")
    assert table.octets == 0


def test_the_first_header_counts() -> None:
    """Options that the first fragment alone carries may make the packet too large."""
    table = Reassembly()
    table.add(replace(V4, payload=bytes(64000), flags=1, options=b"\1" * 40), 0.0)
    with pytest.raises(PacketDroppedError, match="total length"):
        table.add(replace(V4, payload=bytes(1515), fragment_offset=8000), 0.0)


def test_extension_headers_that_end_nowhere() -> None:
    """Of a first fragment, as it is parsed; and behind the reassembly."""
    broken = replace(V6, headers=(replace_body(OPTIONS, 9),), payload=bytes(100))
    with pytest.raises(MalformedPacketError):
        Ipv6Packet.parse(broken.build()[:90])
    first = Ipv6Packet(
        *SIX, 60, bytes(8), headers=(ExtensionHeader(44, bytes.fromhex("00000100000007")),)
    )
    table = Reassembly()
    table.add(replace(first, payload=b"\x11\xff" + bytes(6)), 0.0)
    with pytest.raises(PacketDroppedError, match="extension header 60"):
        table.add(piece(first, 1, bytes(8), more=False), 0.0)


def replace_body(header: ExtensionHeader, length: int) -> ExtensionHeader:
    return header._replace(body=bytes((length,)) + header.body[1:])


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ((ECT_0, CE, ECT_0), CE),
        ((CE, ECT_0, ECT_0), CE),
        ((ECT_0, ECT_0, ECT_0), ECT_0),
        ((NOT_ECT, NOT_ECT, NOT_ECT), NOT_ECT),
        ((NOT_ECT, CE, NOT_ECT), None),
        ((CE, ECT_0, NOT_ECT), None),
    ],
)
@both
def test_congestion_is_kept(packet: Packet, marks: tuple[int, ...], expected: int | None) -> None:
    """RFC 3168 5.3: CE of any fragment is the packet's, or else the packet is dropped."""
    fragments = fragment(packet, 1280, 7)
    marked = [replace(one, tos=0xB8 | ecn) for one, ecn in zip(fragments, marks, strict=True)]
    if expected is None:
        with pytest.raises(PacketDroppedError, match="congestion"):
            reassembled(marked)
    else:
        assert [one.tos for one in reassembled(marked)] == [0xB8 | expected]


# Bounds.


@both
def test_waiting_ends(packet: Packet) -> None:
    """After 60 seconds; the sender is told where the first fragment was there (RFC 792)."""
    first, second, third = resent(fragment(packet, 1280, 7))
    table = Reassembly()
    table.add(first, 100.0)
    table.add(second, 159.0)
    assert table.expire(159.9) == []
    assert table.expire(160.0) == [first]
    assert (len(table), table.octets) == (0, 0)
    table.add(second, 161.0)
    assert table.expire(300.0) == []
    assert len(table) == 0
    table.add(first, 400.0)
    assert table.add(third, 460.0) is None, "a new packet begins with what comes too late"
    assert table.add(second, 461.0) is None
    assert table.add(first, 462.0) == packet


def test_the_oldest_makes_room() -> None:
    """At most so many packets, and so many octets of all."""
    packets = [replace(V4, identification=number) for number in range(5)]
    firsts = [fragment(one, 1500)[0] for one in packets]
    by_count, by_octets = Reassembly(Limits(packets=3)), Reassembly(Limits(octets=3 * 1480))
    for table in (by_count, by_octets):
        for one in firsts:
            table.add(one, 0.0)
            assert table.octets <= 3 * 1480
        assert (len(table), table.evicted) == (3, 2)
        for one, packet in zip(fragment(packets[4], 1500)[1:], (None, packets[4]), strict=True):
            assert table.add(one, 0.0) == packet


def test_the_oldest_is_not_in_its_own_way() -> None:
    """Where it is the one that grows, the next oldest makes room."""
    older, newer = (fragment(replace(V4, identification=one), 1500) for one in (1, 2))
    table = Reassembly(Limits(octets=4000))
    for one in (older[0], newer[0]):
        table.add(one, 0.0)
    table.add(older[1], 0.0)
    assert (len(table), table.octets, table.evicted) == (1, 2960, 1)
    assert table.add(older[2], 0.0) == replace(V4, identification=1)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 100), st.integers(0, 64), st.booleans()))
)
def test_memory_is_bounded(noise: list[tuple[int, int, int, bool]]) -> None:
    """Whatever arrives, in whatever order."""
    limits = Limits(packets=5, octets=1000, pieces=6)
    table = Reassembly(limits)
    for number, start, size, more in noise:
        one = replace(
            V4, identification=number, fragment_offset=start, flags=int(more), payload=bytes(size)
        )
        with suppress(PacketDroppedError):
            table.add(one, 0.0)
        assert len(table) <= limits.packets
        assert 0 <= table.octets <= limits.octets
    table.expire(60.0)
    assert (len(table), table.octets) == (0, 0)


@both
def test_too_many_pieces(packet: Packet) -> None:
    fragments = fragment(packet, 600, 7)
    assert reassembled(fragments, Limits(pieces=len(fragments))) == [packet]
    with pytest.raises(PacketDroppedError, match=f"more than {len(fragments) - 1} fragments"):
        reassembled(fragments, Limits(pieces=len(fragments) - 1))


def test_a_packet_larger_than_all_room() -> None:
    with pytest.raises(PacketDroppedError, match="more than 2999 octets"):
        reassembled(fragment(V4, 600), Limits(octets=2999))


# Fragments and SAs.


@pytest.mark.parametrize("mtu", [300, 600])
def test_esp_is_fragmented_after_and_reassembled_before(
    mtu: int, make_pair: MakePair, make_inner: MakeInner
) -> None:
    """RFC 4303 3.3.4, 3.4.1: ESP sees whole packets alone."""
    pair, inner = make_pair({}), make_inner("tunnel", bytes(1000))
    fragments = resent(fragment(parse_packet(pair.wire(inner)), mtu))
    assert len(fragments) > 1
    for one in fragments:
        event = pair.bob.inbound(one.build())
        assert isinstance(event, AuditEvent)
        assert event.reason is DropReason.IN_FRAGMENT
    whole = reassembled(fragments)[0]
    assert pair.received(whole.build()) == inner


def test_fragments_travel_in_tunnels(make_pair: MakePair, make_inner: MakeInner) -> None:
    """RFC 4301 7.1: a tunnel without port selectors carries them all; their ends reassemble."""
    pair, inner = make_pair({}), make_inner("tunnel", bytes(1000))
    assert reassembled([pair.received(pair.wire(one)) for one in fragment(inner, 300)]) == [inner]


PORTS = Ports(17, 5000, 53)


@both
def test_ports_of_later_fragments(packet: Packet) -> None:
    """RFC 4301 7.3: those of the first, while it is remembered."""
    first, second, third = resent(fragment(packet, 1280, 7))
    known = StatefulFragments(seconds=30.0)
    assert known.ports_of(second, 0.0) is None
    known.remember(second, Ports(17, 1, 2), 0.0)
    known.remember(packet, Ports(17, 1, 2), 0.0)
    assert len(known) == 0, "only a first fragment shows ports"
    known.remember(first, PORTS, 0.0)
    assert [known.ports_of(one, 29.0) for one in (second, third)] == [PORTS, PORTS]
    assert known.ports_of(replace(second, source=packet.destination), 1.0) is None
    assert known.ports_of(second, 30.0) is None


def test_the_newest_ports_are_remembered() -> None:
    known = StatefulFragments(limit=2)
    firsts = [fragment(replace(V4, identification=number), 1500)[0] for number in range(3)]
    for one in (*firsts, firsts[1]):
        known.remember(one, PORTS, 0.0)
    assert len(known) == 2
    assert [known.ports_of(one, 0.0) for one in firsts] == [None, PORTS, PORTS]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fragment_offset": 1}, True),
        ({"fragment_offset": 2}, False),
        ({"flags": 1, "payload": bytes(8)}, True),
        ({"flags": 1, "payload": bytes(16)}, False),
        ({"payload": bytes(8)}, False),
        ({"fragment_offset": 1, "protocol": 17}, False),
    ],
)
def test_tiny_fragments_are_told(changes: dict[str, Any], *, expected: bool) -> None:
    """RFC 1858 3: what could hide or overwrite TCP's flags; RFC 4301 7.2 wants the check."""
    assert is_suspicious(replace(V4, **{"protocol": 6} | changes)) is expected


def test_ipv6_has_no_minimum_offset() -> None:
    """RFC 4301 7.2: such checks cannot be performed on IPv6."""
    assert not is_suspicious(fragment(replace(V6, protocol=6), 1280)[1])


@given(st.floats(0, 1e9))
@example(4.1)
def test_nothing_is_left_at_its_deadline(now: float) -> None:
    """Whatever the deadline was rounded to."""
    table = Reassembly()
    first = fragment(V4, 1000)[0]
    assert table.add(first, now) is None
    deadline = table.deadline
    assert deadline is not None
    assert table.expire(deadline) == [first]
    assert table.deadline is None
