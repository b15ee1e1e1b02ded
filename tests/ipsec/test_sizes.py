"""How large packets become: told beforehand for every transform and mode, to the octet."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.ipsec.association import UdpEncapsulation
from conformance.ipsec.drops import DropReason
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.ip6 import ExtensionHeader, Ipv6Packet
from conformance.ipsec.packet import parse_packet
from conformance.ipsec.sad import Selector
from conformance.ipsec.selector import ANYWHERE_6
from conformance.ipsec.sizes import largest_inner, wire_size
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY

if TYPE_CHECKING:
    from conftest import MakeInner, MakePair, Pair

    from conformance.ipsec.packet import Packet

FOUR = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
SIX = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
VERSIONS: dict[str, tuple[Any, ...]] = {"4": FOUR, "6": SIX}
SELECTORS = {"4": Selector(), "6": Selector(ANYWHERE_6, ANYWHERE_6)}
LENGTHS = range(201)
COMPRESSED: list[dict[str, Any]] = [{"protocol": 51}, {"protocol": 50}, {"protocol": 108}]

EVERY_CIPHER = [(name, "none" if row.icv_size else "sha256") for name, row in ENCRYPTION.items()]
SHAPES = {  # one cipher of each shape: all that its sizes depend on
    (ENCRYPTION[name].block_size, ENCRYPTION[name].iv_size, ENCRYPTION[name].icv_size): (name, mac)
    for name, mac in reversed(EVERY_CIPHER)
}
ESP = [
    *SHAPES.values(),
    ("aes128gcm16", "none"),
    *(("aes128", name) for name, row in INTEGRITY.items() if row.icv_size and not row.ah_only),
]
AH = [name for name, row in INTEGRITY.items() if row.icv_size]
SUITES: dict[str, list[dict[str, Any]]] = {
    **{f"esp-{cipher}-{mac}": [{"cipher": cipher, "integrity": mac}] for cipher, mac in ESP},
    **{f"ah-{mac}": [{"protocol": 51, "integrity": mac}] for mac in AH},
    "ah+esp": [{"protocol": 51, "integrity": "sha512"}, {"protocol": 50}],
    "esp, tfc": [{"tfc": 100}],
}

every_mode = pytest.mark.parametrize("mode", ["tunnel", "transport"])
every_outer = pytest.mark.parametrize("outer", VERSIONS)


def pair_of(make_pair: MakePair, suite: str, mode: str, outer: str, inner: str) -> Pair:
    ends = dict(zip(("source", "destination"), VERSIONS[outer], strict=True))
    return make_pair(*SUITES[suite], mode=mode, selector=SELECTORS[inner], **ends)


def packet_of(version: str, size: int) -> Packet:
    """A packet with so many octets of payload that do not compress."""
    payload = Random(size).randbytes(size)
    source, destination = VERSIONS[version]
    kind = Ipv4Packet if version == "4" else Ipv6Packet
    return kind(source, destination, 253, payload)


@every_mode
@every_outer
@pytest.mark.parametrize("suite", SUITES)
def test_every_length_of_every_shape(
    suite: str, outer: str, mode: str, make_pair: MakePair
) -> None:
    """What is told is what the engine makes, for payloads of 0 to 200 octets."""
    pair = pair_of(make_pair, suite, mode, outer, outer)
    for size in LENGTHS:
        inner = packet_of(outer, size)
        assert wire_size(pair.out, inner.total_length) == len(pair.wire(inner)), size


def test_every_cipher(make_pair: MakePair) -> None:
    for cipher, mac in EVERY_CIPHER:
        pair = make_pair({"cipher": cipher, "integrity": mac}, selector=Selector())
        for size in (0, 1, 29, 30):
            inner = packet_of("4", size)
            assert wire_size(pair.out, inner.total_length) == len(pair.wire(inner)), cipher


@every_outer
@pytest.mark.parametrize("inner", VERSIONS)
def test_mixed_tunnels(outer: str, inner: str, make_pair: MakePair) -> None:
    pair = pair_of(make_pair, "ah+esp", "tunnel", outer, inner)
    for size in LENGTHS:
        packet = packet_of(inner, size)
        assert wire_size(pair.out, packet.total_length) == len(pair.wire(packet))


@every_mode
def test_udp_encapsulation(mode: str, make_pair: MakePair) -> None:
    """Eight octets more (RFC 3948 2.1)."""
    pair = make_pair({"udp": UdpEncapsulation()}, mode=mode, selector=Selector())
    for size in LENGTHS:
        packet = packet_of("4", size)
        assert wire_size(pair.out, packet.total_length) == len(pair.wire(packet))


def test_headers_that_stay_ahead(make_pair: MakePair) -> None:
    """In transport mode neither options nor hop-by-hop headers are encrypted."""
    four = replace(packet_of("4", 9), options=bytes(12))
    six = replace(packet_of("6", 9), headers=(ExtensionHeader(0, bytes.fromhex("00010400000000")),))
    for version, packet, ahead in (("4", four, 32), ("6", six, 48)):
        pair = pair_of(make_pair, "esp-aes128-sha256", "transport", version, version)
        size = wire_size(pair.out, packet.total_length, ahead)
        assert size == len(pair.wire(packet))
        assert size != wire_size(pair.out, packet.total_length)


@every_mode
@every_outer
def test_compression_only_saves(outer: str, mode: str, make_pair: MakePair) -> None:
    """Of IPComp the size told is the most, and met where nothing can be saved (RFC 3173 2.2)."""
    ends = dict(zip(("source", "destination"), VERSIONS[outer], strict=True))
    pair = make_pair(*COMPRESSED, mode=mode, selector=SELECTORS[outer], **ends)
    for size in LENGTHS:
        noise = packet_of(outer, size)
        zeros = replace(noise, payload=bytes(size))
        told = wire_size(pair.out, noise.total_length)
        assert len(pair.wire(zeros)) < told or size < 90
        assert len(pair.wire(noise)) <= told
        assert len(pair.wire(noise)) == told or mode == "tunnel"


@pytest.mark.parametrize(
    "suite", ["esp-aes128-sha256", "esp-aes128gcm16-none", "ah+esp", "esp, tfc"]
)
@every_mode
@every_outer
def test_the_largest_inner_packet(suite: str, mode: str, outer: str, make_pair: MakePair) -> None:
    """It fits whatever the MTU, and one octet more does not."""
    pair = pair_of(make_pair, suite, mode, outer, outer)
    for mtu in range(300, 340):
        length = largest_inner(pair.out, mtu)
        header = {"4": 20, "6": 40}[outer]
        assert len(pair.wire(packet_of(outer, length - header))) <= mtu
        assert len(pair.wire(packet_of(outer, length + 1 - header))) > mtu


KNOWN = [  # MTU, suite, mode: the largest inner packet, worked out by hand
    # 1500 - 20 - 8 - 16 - 16 = 1440 = 90 blocks; less the trailer
    (1500, "esp-aes128-sha256", "tunnel", 1438),
    # 1500 - 20 - 8 - 8 - 16 = 1448, a multiple of four
    (1500, "esp-aes128gcm16-none", "tunnel", 1446),
    # 1438 of payload and its header of 20 octets
    (1500, "esp-aes128-sha256", "transport", 1458),
    # 1500 - 20 - 12 - 16
    (1500, "ah-sha256", "tunnel", 1452),
    (80, "esp-aes128-sha256", "tunnel", 14),
    (75, "esp-aes128-sha256", "tunnel", 0),
    (75, "esp, tfc", "tunnel", 0),
]


@pytest.mark.parametrize(("mtu", "suite", "mode", "expected"), KNOWN)
def test_known_sizes(mtu: int, suite: str, mode: str, expected: int, make_pair: MakePair) -> None:
    pair = pair_of(make_pair, suite, mode, "4", "4")
    assert largest_inner(pair.out, mtu) == expected


def test_a_packet_as_large_as_the_mtu(make_pair: MakePair, make_inner: MakeInner) -> None:
    """An inner packet of 1500 octets grows, passes, and comes out the same."""
    for mode in ("tunnel", "transport"):
        pair, inner = make_pair({}, mode=mode), make_inner(mode, bytes(1480))
        wire = pair.wire(inner)
        assert (inner.total_length, len(wire) > 1500) == (1500, True)
        assert pair.received(wire) == inner


@every_mode
@every_outer
@pytest.mark.parametrize("suite", ["esp-aes128-sha256", "esp-null-sha256", "ah-sha256", "ah+esp"])
def test_a_packet_without_payload(suite: str, outer: str, mode: str, make_pair: MakePair) -> None:
    """RFC 4303 2.3 lets the payload be empty; so may an IP packet's be."""
    pair = pair_of(make_pair, suite, mode, outer, outer)
    empty = packet_of(outer, 0)
    assert pair.received(pair.wire(empty)) == empty


def test_the_largest_packets_of_all(make_pair: MakePair) -> None:
    """What outgrows the outer length field is dropped, and what just fits it passes."""
    pair = pair_of(make_pair, "esp-aes128-sha256", "tunnel", "4", "4")
    length = largest_inner(pair.out, 65535)
    fits = packet_of("4", length - 20)
    assert len(pair.wire(fits)) <= 65535
    event = pair.alice.outbound(packet_of("4", length - 19))
    assert getattr(event, "reason", None) is DropReason.OUT_HEADER


@given(st.integers(0, 300), st.integers(0, 300))
def test_tfc_hides_the_length(make_pair: MakePair, tfc: int, size: int) -> None:
    """RFC 4303 2.7: packets up to the limit are all of one length, and none is cut."""
    pair = make_pair({"tfc": tfc}, selector=Selector())
    packet = packet_of("4", size)
    wire = pair.wire(packet)
    assert len(wire) == wire_size(pair.out, max(packet.total_length, tfc))
    assert pair.received(wire) == packet


def test_tfc_pads_tunnels_alone(make_pair: MakePair) -> None:
    """RFC 4303 2.7: only where the payload tells its own length; TCP and ICMP do not."""
    plain, padded = (
        make_pair({"tfc": tfc}, mode="transport", selector=Selector()) for tfc in (0, 999)
    )
    packet = packet_of("4", 40)
    assert len(plain.wire(packet)) == len(padded.wire(packet))
    assert padded.received(padded.wire(packet)) == packet


@given(st.binary(max_size=200))
def test_dummy_packets_are_any_noise(make_pair: MakePair, noise: bytes) -> None:
    """RFC 4303 2.6: next header 59, plaintext of any kind; discarded, and no fault."""
    pair = make_pair({})
    sent = pair.alice.dummy(pair.out, noise)
    wire = getattr(sent, "wire", b"")
    assert len(wire) == wire_size(replace(pair.out.outer, mode="transport"), 20 + len(noise))
    assert parse_packet(wire).protocol == 50
    assert pair.reason(wire) is DropReason.IN_DUMMY
    assert pair.reason(wire) is DropReason.IN_SEQUENCE, "it took a sequence number"
