"""The short way does what the long way does, octet for octet and drop for drop."""

from __future__ import annotations

import gc
import itertools
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.crypto.random import seeded_random
from conformance.ipsec import flow, inbound
from conformance.ipsec.boundary import Boundary
from conformance.ipsec.esp import seal_padded
from conformance.ipsec.fragments import fragment
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.ip6 import Ipv6Packet
from conformance.ipsec.lifetime import Lifetime
from conformance.ipsec.replay import ReplayWindow
from conformance.ipsec.sad import SecurityAssociation, Selector, UdpEncapsulation
from conformance.ipsec.selector import ANYWHERE, ANYWHERE_6, PortRange
from conformance.ipsec.spd import Spd, SpdEntry, Template
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import MakeSa

    from conformance.ipsec.packet import Address, Packet

ENDS: dict[int, tuple[Address, Address]] = {
    4: (IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")),
    6: (IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")),
}
INNER: dict[int, tuple[Address, Address]] = {
    4: (IPv4Address("10.78.1.1"), IPv4Address("10.78.2.1")),
    6: (IPv6Address("fd00::1"), IPv6Address("fd00::2")),
}
EVERYTHING = {
    4: Selector(ANYWHERE, ANYWHERE),
    6: Selector(ANYWHERE_6, ANYWHERE_6),
}
SUITES = [
    ("aes128gcm16", "none"),
    ("aes256gcm8", "none"),
    ("aes192ccm12", "none"),
    ("aes128gmac", "none"),
    ("aes128ctr", "sha1"),
    ("aes128", "sha256"),
    ("3des", "aesxcbc"),
    ("null", "sha512"),
    ("aes256", "none"),
    ("null", "des-mac"),
]
UDP = 17


class Twins:
    """Alice and Bob twice over: one pair remembers flows, the other has to look each packet up."""

    def __init__(self, make_sa: MakeSa, outer: int = 4, inner: int = 4, **changes: Any) -> None:
        here, there = ENDS[outer]
        self.sas: list[SecurityAssociation] = []
        boundaries = []
        mtu = changes.pop("mtu", 1500)
        for name, ends, direction in (
            *(("alice", (here, there), "out"),) * 2,
            *(("bob", (there, here), "in"),) * 2,
        ):
            entry = SpdEntry("protect", (EVERYTHING[inner],), (Template("tunnel", ends),))
            boundary = Boundary(Spd([entry]), ends[:1], random=seeded_random(name), mtu=mtu)
            self.sas.append(
                make_sa(
                    source=here,
                    destination=there,
                    selector=EVERYTHING[inner],
                    direction=direction,
                    **{"replay": self._window(changes)} | changes,
                )
            )
            boundary.sad.add(self.sas[-1])
            boundaries.append(boundary)
        self.alice, self.slow_alice, self.bob, self.slow_bob = boundaries

    @staticmethod
    def _window(changes: dict[str, Any]) -> ReplayWindow | None:
        cipher, mac = ENCRYPTION[changes["cipher"]], INTEGRITY[changes["integrity"]]
        return ReplayWindow() if cipher.icv_size or mac.icv_size else None

    def out(self, octets: bytes, now: float = 0.0) -> tuple[bytes, ...]:
        """What both Alices make of a packet, and it is the same."""
        self.slow_alice.spd = self.slow_alice.spd  # forget
        sent = self.alice.outbound(octets, now)
        assert self.slow_alice.outbound(octets, now) == sent
        self._same(self.alice, self.slow_alice, self.sas[:2])
        return sent

    def into(self, octets: bytes, now: float = 0.0) -> tuple[bytes, ...]:
        """What both Bobs make of a packet, and it is the same."""
        self.slow_bob.spd = self.slow_bob.spd
        arrived = self.bob.inbound(octets, now)
        assert self.slow_bob.inbound(octets, now) == arrived
        self._same(self.bob, self.slow_bob, self.sas[2:])
        return arrived

    @staticmethod
    def _same(one: Boundary, other: Boundary, sas: list[SecurityAssociation]) -> None:
        first, second = sas
        assert first.usage == second.usage
        if first.replay and second.replay:
            numbers = range(max(first.replay.right - 100, 0), first.replay.right + 2)
            assert first.replay.right == second.replay.right
            assert [*map(first.replay.accepts, numbers)] == [*map(second.replay.accepts, numbers)]
        while (event := one.next_event()) is not None:
            twin = other.next_event()
            # Of the same kind and content, though each tells of its own SA.
            assert type(event) is type(twin)
            assert getattr(event, "reason", None) == getattr(twin, "reason", None)
            assert getattr(event, "limit", None) == getattr(twin, "limit", None)
        assert other.next_event() is None


def packet(version: int, size: int = 8, **changes: Any) -> Packet:
    payload = (1024).to_bytes(2) + (53).to_bytes(2) + bytes(max(size - 4, 0))
    source, destination = INNER[version]
    make = Ipv4Packet if version == 4 else Ipv6Packet
    given = {"source": source, "destination": destination, "protocol": UDP, "payload": payload}
    return make(**given | changes)  # type: ignore[arg-type]


def suite(name: tuple[str, str]) -> dict[str, Any]:
    return {"cipher": name[0], "integrity": name[1]}


FAMILIES = list(itertools.product((4, 6), repeat=2))
every_suite = pytest.mark.parametrize("name", SUITES, ids="+".join)


@every_suite
@pytest.mark.parametrize(("outer", "inner"), FAMILIES)
def test_every_size_and_field(
    name: tuple[str, str], outer: int, inner: int, make_sa: MakeSa
) -> None:
    twins = Twins(make_sa, outer, inner, **suite(name))
    for size in (4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 19, 20, 100, 1300):
        for changes in ({}, {"tos": 0xB8}, {"tos": 3}, {"ttl": 1}):
            sent = packet(inner, size, **changes).build()
            (wire,) = twins.out(sent)
            assert twins.into(wire) == (sent,)


@pytest.mark.parametrize("esn", [False, True])
@every_suite
def test_numbers_run_out_alike(name: tuple[str, str], esn: bool, make_sa: MakeSa) -> None:  # noqa: FBT001
    twins = Twins(make_sa, **suite(name), esn=esn)
    last = 2**64 - 1 if esn else 2**32 - 1
    sent = packet(4).build()
    for sa in twins.sas[:2]:
        sa.usage.sequence = last - 3
    assert [len(twins.out(sent)) for _ in range(5)] == [1, 1, 1, 0, 0]


def test_the_high_half_turns_alike(make_sa: MakeSa) -> None:
    twins = Twins(make_sa, **suite(("aes128gcm16", "none")), esn=True)
    for sa in twins.sas:
        sa.usage.sequence = 2**32 - 3
        if sa.replay and sa.direction == "in":
            sa.replay.advance(2**32 - 3)
    sent = packet(4).build()
    wires = [twins.out(sent)[0] for _ in range(6)]
    assert [twins.into(wire) for wire in wires] == [(sent,)] * 6


def test_udp_encapsulation(make_sa: MakeSa) -> None:
    udp = UdpEncapsulation(4500, 61000)
    twins = Twins(make_sa, **suite(("aes128gcm16", "none")), udp=udp)
    for size in range(4, 12):
        assert twins.out(packet(4, size).build())


MUTATIONS = st.one_of(
    st.tuples(st.just("flip"), st.integers(0, 200), st.integers(1, 255)),
    st.tuples(st.just("cut"), st.integers(0, 200), st.just(0)),
    st.tuples(st.just("grow"), st.integers(1, 20), st.just(0)),
    st.tuples(st.just("replay"), st.just(0), st.just(0)),
    st.tuples(st.just("outer tos"), st.integers(0, 255), st.just(0)),
)


def mutated(wire: bytes, mutation: tuple[str, int, int]) -> bytes:
    kind, at, value = mutation
    if kind == "flip":
        at %= len(wire)
        return wire[:at] + bytes((wire[at] ^ value,)) + wire[at + 1 :]
    if kind == "cut":
        return wire[: at % len(wire)]
    if kind == "grow":
        return wire + bytes(at)
    if kind == "outer tos":
        return replace(Ipv4Packet.parse(wire), tos=at).build()
    return wire


@given(st.lists(MUTATIONS, min_size=1, max_size=6), st.sampled_from(SUITES))
def test_hostile_packets_fare_alike(
    make_sa: MakeSa, mutations: list[tuple[str, int, int]], name: tuple[str, str]
) -> None:
    twins = Twins(make_sa, **suite(name))
    for mutation in mutations:
        wires = [twins.out(packet(4, size, tos=2).build())[0] for size in (9, 9)]
        twins.into(wires[0])
        twins.into(mutated(wires[1], mutation))
        twins.into(wires[0])


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=4))
def test_inner_packets_that_are_not_regular_fare_alike(
    make_sa: MakeSa, flips: list[tuple[int, int]]
) -> None:
    twins = Twins(make_sa, **suite(("aes128gcm16", "none")))
    octets = packet(4, 30).build()
    twins.out(octets)
    for at, value in flips:
        spoilt = bytearray(octets)
        spoilt[at % len(spoilt)] ^= value
        twins.out(bytes(spoilt))
        twins.out(octets[: at % len(octets)])
        twins.out(octets)


@dataclass(frozen=True)
class Spoilt:
    """A plaintext that only someone with the key can send."""

    name: str
    plain: bytes


def spoilt_plaintexts() -> Iterator[Spoilt]:
    good, six = packet(4, 10).build(), packet(6, 10).build()
    yield Spoilt("good", good + b"\1\2\2\4")
    yield Spoilt("padding", good + b"\1\3\2\4")
    yield Spoilt("pad length", good + b"\1\2\3\4")
    yield Spoilt("long padding", good + bytes(range(1, 255)) + b"\xfe\4")
    yield Spoilt("announced as IPv6", good + b"\1\2\2\x29")
    yield Spoilt("announced as UDP", good + b"\1\2\2\x11")
    yield Spoilt("a dummy", good + b"\1\2\2\x3b")
    yield Spoilt("IPv6 in IPv4's SA", six + b"\0\x29")
    yield Spoilt("hidden length", good + bytes(8) + b"\1\2\2\4")
    yield Spoilt("bad checksum", good[:10] + b"\0\0" + good[12:] + b"\1\2\2\4")
    yield Spoilt("bad length", good[:3] + b"\xff" + good[4:] + b"\1\2\2\4")
    yield Spoilt("nothing", b"\0\4")
    yield Spoilt("nothing but padding", b"\1\2\2\4")


@pytest.mark.parametrize("spoilt", list(spoilt_plaintexts()), ids=lambda one: one.name)
def test_what_the_other_end_may_have_sealed(spoilt: Spoilt, make_sa: MakeSa) -> None:
    twins = Twins(make_sa, **suite(("null", "sha256")))
    good = packet(4, 10).build()
    for _ in range(2):
        (wire,) = twins.out(good)
        assert twins.into(wire) == (good,)
    payload = seal_padded(twins.sas[0], spoilt.plain, 3, b"")
    sealed = replace(Ipv4Packet.parse(wire), payload=payload).build()
    assert bool(twins.into(sealed)) is (spoilt.name in ("good", "hidden length", "long padding"))


def test_limits_are_left_to_the_long_way(make_sa: MakeSa) -> None:
    twins = Twins(
        make_sa,
        **suite(("aes128gcm16", "none")),
        soft=Lifetime(packets=3, seconds=4),
        lifetime=Lifetime(bytes=500, seconds=20),
    )
    octets = packet(4, 60).build()
    for now in (0, 1, 2, 3, 5, 6, 7, 8, 21):
        for wire in twins.out(octets, now):
            twins.into(wire, now)


def test_a_flow_is_remembered_and_forgotten(make_sa: MakeSa, monkeypatch: Any) -> None:
    """The second packet takes the short way; once another SA stands, it is looked up anew."""
    made: list[bytes] = []

    def counting(sa: SecurityAssociation, first_packet: bytes, **rest: Any) -> flow.Flow:
        made.append(first_packet)
        return real(sa, first_packet, **rest)

    real = flow.outbound
    monkeypatch.setattr(flow, "outbound", counting)
    twins = Twins(make_sa, **suite(("aes128gcm16", "none")))
    octets = packet(4).build()
    for _ in range(3):
        twins.alice.outbound(octets, 0.0)
    assert len(made) == 1
    another = make_sa(spi=99, direction="in", selector=Selector(IPv4Network("10.0.0.0/8")))
    twins.alice.sad.add(another)
    twins.alice.outbound(octets, 0.0)
    assert len(made) == 2


@pytest.mark.parametrize("outer", [4, 6])
def test_links_that_take_more_than_a_packet_can_be(outer: int, make_sa: MakeSa) -> None:
    twins = Twins(make_sa, outer, **suite(("aes128gcm16", "none")), mtu=70000)
    for size in (8, 60000, 65515, 8):
        twins.out(packet(4, size).build())


def test_padding_of_the_link_is_no_part_of_the_first_packet(make_sa: MakeSa) -> None:
    """Whether IPv6 inside has IPv4's DF set follows from its size."""
    twins = Twins(make_sa, 4, 6, **suite(("aes128gcm16", "none")))
    twins.out(packet(6, 1240).build() + bytes(8))
    for size in (1300, 1240):
        assert twins.out(packet(6, size).build())


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> WeakSet[flow.Flow]:
    """The inbound flows that somebody remembers."""
    made: WeakSet[flow.Flow] = WeakSet()

    def noted(*given: Any) -> flow.Flow:
        way = real(*given)
        made.add(way)
        return way

    real = flow.inbound
    monkeypatch.setattr(flow, "inbound", noted)
    return made


def test_outer_headers_changed_on_the_way_do_not_fill_the_memory(
    make_sa: MakeSa, alive: WeakSet[flow.Flow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ESP authenticates none of it, so that one SA may arrive as any number of flows."""
    monkeypatch.setattr(inbound, "MOST_FLOWS", 10)
    twins = Twins(make_sa, **suite(("aes128gcm16", "none")))
    for ttl in range(1, 50):
        (wire,) = twins.alice.outbound(packet(4).build(), 0.0)
        assert twins.bob.inbound(replace(Ipv4Packet.parse(wire), ttl=ttl).build(), 0.0)
    gc.collect()
    assert 0 < len(alive) <= 10


def test_what_came_in_parts_is_one_flow(make_sa: MakeSa, alive: WeakSet[flow.Flow]) -> None:
    """Not one for every last fragment, which begins with ciphertext."""
    twins = Twins(make_sa, **suite(("aes128gcm16", "none")))
    for _ in range(20):
        (wire,) = twins.alice.outbound(packet(4, 1300).build(), 0.0)
        for part in fragment(Ipv4Packet.parse(wire), 800):
            twins.bob.inbound(part.build(), 0.0)
    gc.collect()
    assert len(alive) == 1


def test_esp_in_udp_inside_is_no_flow_of_ike(make_sa: MakeSa) -> None:
    """Both go to port 4500 of the host; only the octets behind the ports tell them apart."""
    twins = Twins(make_sa, **suite(("aes128gcm16", "none")))
    ports = (4500).to_bytes(2) * 2
    for datagram, crosses in ((bytes(20), 1), (bytes.fromhex("0000abcd") + bytes(20), 0)):
        payload = ports + (8 + len(datagram)).to_bytes(2) + bytes(2) + datagram
        (wire,) = twins.out(packet(4, destination=ENDS[4][1], payload=payload).build())
        assert len(twins.into(wire)) == crosses


def test_inbound_udp_encapsulation_goes_the_long_way(
    make_sa: MakeSa, alive: WeakSet[flow.Flow]
) -> None:
    """The short way would read UDP's header as ESP's."""
    twins = Twins(make_sa, **suite(("aes128gcm16", "none")), udp=UdpEncapsulation())
    for _ in range(3):
        (wire,) = twins.out(packet(4).build())
        assert twins.into(wire) == (packet(4).build(),)
    assert not alive


def test_padding_is_not_taken_for_ports(make_sa: MakeSa) -> None:
    """A packet that ends with its header shows none, though what follows looks like a flow's."""
    twins = Twins(make_sa, **suite(("null", "sha256")))
    ports = 0x0102, 0x0304
    there = Selector(ANYWHERE, ANYWHERE, UDP, *map(PortRange.of, ports))
    ends = ENDS[4][::-1]
    for boundary in (twins.bob, twins.slow_bob):
        boundary.spd = Spd([SpdEntry("protect", (there.mirrored,), (Template("tunnel", ends),))])
    good = packet(4, payload=bytes.fromhex("0102030400000000")).build()
    (wire,) = twins.out(good)
    assert twins.into(wire) == (good,)
    plain = packet(4, payload=b"").build() + bytes((*range(1, 11), 10, 4))
    payload = seal_padded(twins.sas[0], plain, 2, b"")
    assert twins.into(replace(Ipv4Packet.parse(wire), payload=payload).build()) == ()
