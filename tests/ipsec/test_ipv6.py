"""IPv6 as outer and inner protocol: the header, its extensions, and tunnels of every mixture."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP
from scapy.layers.ipsec import SecurityAssociation as Oracle

from conformance.ipsec.drops import DropReason
from conformance.ipsec.engine import Accepted, AuditEvent
from conformance.ipsec.inspect import inspect
from conformance.ipsec.ip import Ipv4Packet, MalformedPacketError
from conformance.ipsec.ip6 import ExtensionHeader, Ipv6Packet
from conformance.ipsec.packet import parse_packet
from conformance.ipsec.protection import encapsulate
from conformance.ipsec.sad import Selector, UdpEncapsulation
from conformance.ipsec.selector import ANYWHERE_6

if TYPE_CHECKING:
    from conftest import MakePair, MakeSa

    from conformance.ipsec.packet import Packet

FOUR = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
SIX = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
OUTER = {"4": FOUR, "6": SIX}
INNER: dict[str, Packet] = {
    "4": Ipv4Packet(
        IPv4Address("10.78.1.1"), IPv4Address("10.78.2.1"), 253, b"again " * 40, tos=0xB8
    ),
    "6": Ipv6Packet(
        IPv6Address("fd00:1::1"), IPv6Address("fd00:2::1"), 253, b"again " * 40, tos=0xB8
    ),
}
SELECTORS = {"4": Selector(), "6": Selector(ANYWHERE_6, ANYWHERE_6)}
SUITES: dict[str, list[dict[str, Any]]] = {
    "esp": [{"protocol": 50}],
    "ah": [{"protocol": 51}],
    "ah+esp+ipcomp": [{"protocol": 51}, {"protocol": 50}, {"protocol": 108}],
}
OPTIONS = ExtensionHeader(60, bytes.fromhex("00010400000000"))
HOP_BY_HOP = ExtensionHeader(0, bytes.fromhex("00010400000000"))
ROUTED = ExtensionHeader(43, bytes((2, 0, 0, 0, 0, 0, 0)) + SIX[0].packed)
FRAGMENT, ATOMIC = (ExtensionHeader(44, bytes((0, 0, more, 0, 0, 0, 7))) for more in (1, 0))

every_suite = pytest.mark.parametrize("suite", SUITES)


def ends_of(version: str) -> dict[str, Any]:
    return dict(zip(("source", "destination"), OUTER[version], strict=True))


@pytest.mark.covers("feature:4in6", "feature:6in4", "feature:6in6", by="self")
@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("outer", OUTER)
@every_suite
def test_tunnels_of_every_mixture(suite: str, outer: str, inner: str, make_pair: MakePair) -> None:
    pair = make_pair(*SUITES[suite], selector=SELECTORS[inner], **ends_of(outer))
    packet = INNER[inner]
    for _ in range(2):
        wire = pair.wire(packet)
        assert wire[0] >> 4 == int(outer)
        assert pair.received(wire) == packet
        assert pair.reason(wire) is DropReason.IN_SEQUENCE
    assert parse_packet(wire).tos == packet.tos


@every_suite
@pytest.mark.parametrize(
    "headers",
    [(), (HOP_BY_HOP,), (OPTIONS,), (HOP_BY_HOP, ROUTED), (ROUTED, OPTIONS), (ATOMIC,)],
    ids=lambda headers: "-".join(str(header.number) for header in headers) or "none",
)
def test_transport_mode_with_extension_headers(
    suite: str, headers: tuple[ExtensionHeader, ...], make_pair: MakePair
) -> None:
    """Options behind a routing header are for the last host, and go inside (RFC 4303 3.1.1)."""
    pair = make_pair(*SUITES[suite], mode="transport", selector=SELECTORS["6"], **ends_of("6"))
    inner = Ipv6Packet(*SIX, 253, b"again " * 40, headers=headers)
    wire = pair.wire(inner)
    outer = parse_packet(wire)
    assert isinstance(outer, Ipv6Packet)
    assert outer.headers == tuple(
        header for header in headers if header != OPTIONS or ROUTED not in headers
    )
    assert pair.received(wire) == inner


def oracle_of(mode: str, sa: Any, outer: str) -> Oracle:
    header = {"4": IP, "6": IPv6}[outer]
    return Oracle(
        ESP,
        spi=sa.spi,
        crypt_algo="AES-CBC",
        crypt_key=sa.encryption_key,
        auth_algo="SHA2-256-128",
        auth_key=sa.integrity_key,
        tunnel_header=header(src=str(sa.source), dst=str(sa.destination))
        if mode == "tunnel"
        else None,
    )


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("outer", OUTER)
def test_scapy_makes_the_same_tunnels(outer: str, inner: str, make_sa: MakeSa) -> None:
    sa = make_sa(selector=SELECTORS[inner], replay=None, **ends_of(outer))
    packet = INNER[inner]
    of_scapy = {"4": IP, "6": IPv6}[inner](packet.build())
    theirs = oracle_of("tunnel", sa, outer).encrypt(of_scapy, seq_num=9, iv=bytes(16))
    ours = encapsulate(sa, packet, 9, bytes(16))
    assert ours.payload == parse_packet(bytes(theirs)).payload


@pytest.mark.parametrize("headers", [(), (HOP_BY_HOP,), (HOP_BY_HOP, ROUTED, OPTIONS), (OPTIONS,)])
def test_scapy_puts_transport_mode_at_the_same_place(
    headers: tuple[ExtensionHeader, ...], make_sa: MakeSa
) -> None:
    sa = make_sa(mode="transport", selector=SELECTORS["6"], replay=None, **ends_of("6"))
    inner = Ipv6Packet(*SIX, 253, b"ping", headers=headers)
    theirs = oracle_of("transport", sa, "6").encrypt(IPv6(inner.build()), seq_num=9, iv=bytes(16))
    assert encapsulate(sa, inner, 9, bytes(16)).build() == bytes(theirs)


def test_fragments_are_refused_and_atomic_ones_are_whole(make_pair: MakePair) -> None:
    """RFC 4302 A2: a fragment header that stayed behind after reassembly is skipped over."""
    ends = ends_of("6")
    pair = make_pair({"protocol": 51}, mode="transport", selector=SELECTORS["6"], **ends)
    inner = Ipv6Packet(*SIX, 253, b"ping")
    outer = parse_packet(pair.wire(inner))
    assert isinstance(outer, Ipv6Packet)
    assert pair.reason(replace(outer, headers=(FRAGMENT,)).build()) is DropReason.IN_FRAGMENT
    accepted = pair.bob.inbound(replace(outer, headers=(ATOMIC,)).build())
    assert isinstance(accepted, Accepted)
    event = pair.alice.outbound(replace(inner, headers=(FRAGMENT,)))
    assert isinstance(event, AuditEvent)
    assert event.reason is DropReason.OUT_MODE


@pytest.mark.parametrize("inner", INNER)
def test_captures_open(inner: str, make_pair: MakePair) -> None:
    pair = make_pair(*SUITES["ah+esp+ipcomp"], selector=SELECTORS[inner], **ends_of("6"))
    seen = inspect(pair.into.sas, pair.wire(INNER[inner]))
    assert seen is not None
    assert (seen.inner, seen.protocols) == (INNER[inner], (51, 50, 108))


def test_selectors_know_their_family(make_pair: MakePair) -> None:
    narrow = Selector(IPv6Network("fd00:1::/64"), IPv6Network("fd00:2::/64"))
    pair = make_pair({}, selector=narrow, **ends_of("6"))
    assert pair.received(pair.wire(INNER["6"])) == INNER["6"]
    assert isinstance(pair.alice.outbound(INNER["4"]), AuditEvent)


def test_impossible_ends_are_refused(make_sa: MakeSa) -> None:
    with pytest.raises(ValueError, match="an SA from"):
        make_sa(source=FOUR[0], destination=SIX[1])
    with pytest.raises(ValueError, match="over IPv4 alone"):
        make_sa(udp=UdpEncapsulation(), **ends_of("6"))


PACKET = Ipv6Packet(*SIX, 253, b"ping", 9, 0xB8, 0x12345, (HOP_BY_HOP, ROUTED, OPTIONS, FRAGMENT))


def test_octets() -> None:
    """The same packet as scapy reads and writes it."""
    wire = PACKET.build()
    assert bytes(IPv6(wire)) == wire
    theirs = IPv6(wire)
    assert (theirs.tc, theirs.fl, theirs.hlim, theirs.nh) == (0xB8, 0x12345, 9, 0)
    assert Ipv6Packet.parse(wire + b"padding") == PACKET
    assert PACKET.total_length == len(wire)


@pytest.mark.parametrize(
    ("field", "fragment"),
    [(0x0000, False), (0x0006, False), (0x0001, True), (0x0008, True), (0xFFF8, True)],
    ids=["atomic", "reserved bits", "first", "last", "last of all"],
)
def test_what_is_a_fragment(field: int, *, fragment: bool) -> None:
    """RFC 8200 4.5: an offset or more fragments; the two bits between are reserved."""
    header = ExtensionHeader(44, b"\0" + field.to_bytes(2) + bytes(4))
    assert Ipv6Packet(*SIX, 253, b"", headers=(header,)).is_fragment is fragment


def test_every_truncation_is_malformed() -> None:
    wire = PACKET.build()
    for size in range(len(wire)):
        with pytest.raises(MalformedPacketError):
            Ipv6Packet.parse(wire[:size])
    for length in range(len(wire) - 40 - len(PACKET.payload)):
        with pytest.raises(MalformedPacketError):
            Ipv6Packet.parse(wire[:4] + length.to_bytes(2) + wire[6:])


@given(st.binary(max_size=100))
def test_noise_never_raises(make_pair: MakePair, noise: bytes) -> None:
    pair = make_pair(*SUITES["ah+esp+ipcomp"], **ends_of("6"))
    spi = pair.into.outer.spi.to_bytes(4)
    pair.reason(b"\x60" + noise)
    for number in (0, 43, 44, 50, 51, 60, 108):
        for payload in (noise, spi + noise, b"\0\4\0\0" + spi + noise):
            pair.reason(Ipv6Packet(*SIX, number, payload).build())


@pytest.mark.parametrize("payload", [b"", b"\x50", b"\x65" + bytes(50)])
def test_other_versions_are_no_packets(payload: bytes, make_pair: MakePair) -> None:
    pair = make_pair({})
    assert pair.reason(payload) is DropReason.IN_HEADER


def test_what_outgrows_ipv6_is_not_built() -> None:
    with pytest.raises(MalformedPacketError, match="payload length"):
        Ipv6Packet(*SIX, 253, bytes(0x10000)).build()
