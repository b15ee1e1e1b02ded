"""AH against scapy's, an independent implementation: MACs, modes, options, extension headers."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

import pytest
from scapy.layers.ipsec import AUTH_ALGOS

from conformance.crypto.random import seeded_random
from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.engine import AuditEvent, DataPlane
from conformance.ipsec.ip import Ipv4Packet, MalformedPacketError
from conformance.ipsec.ip6 import ExtensionHeader, Ipv6Packet
from conformance.ipsec.protection import decapsulate, encapsulate
from conformance.ipsec.transforms import INTEGRITY
from tests.ipsec.oracles import SCAPY_MACS, header_of, oracle_of, theirs

if TYPE_CHECKING:
    from conftest import MakeInner, MakeSa

    from conformance.ipsec.packet import Packet
    from conformance.ipsec.sad import SecurityAssociation

MACS = [name for name in SCAPY_MACS if name != "none"]
MODES = ("tunnel", "transport")
SIZES = (0, 1, 2, 3, 4, 5, 56, 1200)
SIX = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
ROUTER = IPv6Address("2001:db8::99")

by_mac = pytest.mark.parametrize("integrity", MACS)
by_mode = pytest.mark.parametrize("mode", MODES)

OPTIONS = {  # IPv4 options, padded; what RFC 4302 A1 says of each
    "none": "",
    "immutable: router alert": "94040000",
    "immutable: extended security": "85040102",
    "immutable: commercial security": "86040102",
    "immutable: directed delivery": "9506c00002070000",
    "immutable: no operation, end of list": "01010100",
    "zeroed: record route": "07070400000000" + "00",
    "zeroed: time stamp": "4408050000000000",
    "both: security, record route": "820b00000000000000000007070400000000" + "0000",
    "unknown: zeroed": "9e040102",
}

EXTENSIONS = {  # extension headers by number and body: length octet, options with padding
    "none": [],
    "hop by hop, padding": [(0, "00010400000000")],
    "hop by hop, immutable option": [(0, "00050200000100")],
    "hop by hop, option that changes": [(0, "003e04aabbccdd")],
    "destination options before": [(60, "003e04aabbccdd")],
    "several": [(0, "00050200000100"), (60, "01010c" + "00" * 12)],
}


def agree(sa: SecurityAssociation, inner: Packet, sequence: int = 9) -> None:
    """Same octets both ways, but for fields of a tunnel header that are each one's choice."""
    ours = encapsulate(sa, inner, sequence, b"", identification=1)
    other, high = theirs(sa, inner, sequence), sequence >> 32
    if sa.mode == "tunnel":
        assert replace(ours, tos=other.tos, ttl=other.ttl).build() == other.build()
    else:
        assert ours.build() == other.build()
    assert decapsulate(sa, other, high).build() == inner.build()
    read = oracle_of(sa, high).decrypt(header_of(sa)(ours.build()))
    assert bytes(read) == inner.build()


@pytest.mark.covers("ah:{integrity}", "integ:{integrity}", "protocol:AH", by="scapy")
@by_mac
@by_mode
def test_same_octets(integrity: str, mode: str, make_sa: MakeSa, make_inner: MakeInner) -> None:
    sa = make_sa(protocol=51, integrity=integrity, mode=mode, replay=None)
    for size in SIZES:
        agree(sa, make_inner(mode, bytes(size)))


@pytest.mark.covers("feature:esn", by="scapy")
@by_mac
@by_mode
def test_same_octets_with_esn(
    integrity: str, mode: str, make_sa: MakeSa, make_inner: MakeInner
) -> None:
    sa = make_sa(protocol=51, integrity=integrity, mode=mode, replay=None, esn=True)
    for size in SIZES:
        agree(sa, make_inner(mode, bytes(size)), 5 << 32 | 9)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_ipv4_options(options: str, make_sa: MakeSa, make_inner: MakeInner) -> None:
    sa = make_sa(protocol=51, mode="transport", replay=None)
    agree(sa, replace(make_inner("transport"), options=bytes.fromhex(options)))


def make_sa_6(make_sa: MakeSa, **changes: Any) -> SecurityAssociation:
    ends = {"source": SIX[0], "destination": SIX[1]}
    return make_sa(**{"protocol": 51, "mode": "transport", "replay": None} | ends | changes)


def headers_of(rows: list[tuple[int, str]]) -> tuple[ExtensionHeader, ...]:
    return tuple(ExtensionHeader(number, bytes.fromhex(body)) for number, body in rows)


@pytest.mark.parametrize("extensions", EXTENSIONS.values(), ids=EXTENSIONS)
def test_ipv6_extension_headers(extensions: list[tuple[int, str]], make_sa: MakeSa) -> None:
    inner = Ipv6Packet(
        *SIX, 253, b"ping", tos=0xB8, flow_label=0x12345, headers=headers_of(extensions)
    )
    agree(make_sa_6(make_sa), inner)


@by_mac
def test_ipv6_pads_to_eight_octets(integrity: str, make_sa: MakeSa) -> None:
    sa = make_sa_6(make_sa, integrity=integrity)
    inner = Ipv6Packet(*SIX, 253, b"ping")
    agree(sa, inner)
    assert (encapsulate(sa, inner, 1, b"").payload[1] + 2) % 2 == 0


@pytest.mark.parametrize("esn", [False, True], ids=["32", "64"])
@by_mac
@by_mode
def test_same_octets_over_ipv6(integrity: str, mode: str, make_sa: MakeSa, *, esn: bool) -> None:
    sa = make_sa_6(make_sa, integrity=integrity, mode=mode, esn=esn)
    for size in SIZES:
        agree(sa, Ipv6Packet(*SIX, 253, bytes(size)), (5 << 32) * esn | 9)


def routing(left: int, *hops: IPv6Address) -> ExtensionHeader:
    body = bytes((2 * len(hops), 0, left, 0, 0, 0, 0)) + b"".join(hop.packed for hop in hops)
    return ExtensionHeader(43, body)


def test_routing_headers_are_covered_as_they_arrive(make_sa: MakeSa) -> None:
    """RFC 4302 A2: the receiver sees itself as destination and the router as a hop behind."""
    sa = make_sa_6(make_sa)
    sent = Ipv6Packet(SIX[0], ROUTER, 253, b"ping", headers=(routing(1, SIX[1]),))
    arrived = replace(sent, destination=SIX[1], headers=(routing(0, ROUTER),))
    oracle = theirs(sa, sent, 9)
    carried = encapsulate(replace(sa, destination=ROUTER), sent, 9, b"")
    assert carried.build() == oracle.build()
    assert isinstance(carried, Ipv6Packet)
    there = replace(carried, destination=SIX[1], headers=arrived.headers)
    assert decapsulate(sa, there) == arrived


def test_source_routes_are_covered_as_they_arrive(make_sa: MakeSa, make_inner: MakeInner) -> None:
    """RFC 4302 3.3.3.1.1: the option counts as zeros, the destination as the last address."""
    last, router = IPv4Address("192.0.2.2"), IPv4Address("192.0.2.77")
    sa = make_sa(protocol=51, mode="transport", replay=None)
    for kind in (0x83, 0x89):
        option = bytes((kind, 7, 4)) + last.packed + b"\0"
        sent = replace(make_inner("transport"), destination=router, options=option)
        carried = encapsulate(replace(sa, destination=router), sent, 9, b"")
        assert isinstance(carried, Ipv4Packet)
        done = bytes((kind, 7, 8)) + router.packed + b"\0"
        there = replace(carried, destination=last, options=done)
        assert decapsulate(sa, there).payload == sent.payload


def test_the_oracle_knows_every_mac_but_these() -> None:
    """These have vectors, or are written out octet for octet in test_transforms."""
    assert set(INTEGRITY) - set(MACS) - {"none"} <= {
        "ripemd160", "aesxcbc", "aes128gmac", "aes192gmac", "aes256gmac",
        "sha256_96", "des-mac", "md5-kpdk", "sha1-kpdk",
    }  # fmt: skip
    assert {SCAPY_MACS[name] for name in MACS} == set(AUTH_ALGOS) - {"NULL"}


BAD_OPTIONS = {  # IPv4 options, then bodies of IPv6 headers, that end within an option
    "length zero": b"\x07\x00\x04\x00",
    "length one": b"\x07\x01\x04\x00",
    "length too long": b"\x07\x05\x04\x00",
    "no length": b"\x01\x01\x01\x07",
}


@pytest.mark.parametrize("options", BAD_OPTIONS.values(), ids=BAD_OPTIONS)
def test_bad_options_are_dropped(options: bytes, make_sa: MakeSa, make_inner: MakeInner) -> None:
    """Whether sent or received: what cannot be told apart cannot be covered."""
    sa, inner = make_sa(protocol=51, mode="transport", replay=None), make_inner("transport")
    with pytest.raises(MalformedPacketError, match="option's length"):
        encapsulate(sa, replace(inner, options=options), 1, b"")
    whole = encapsulate(sa, inner, 1, b"")
    assert isinstance(whole, Ipv4Packet)
    wire = replace(whole, options=options)
    with pytest.raises(PacketDroppedError, match="option's length"):
        decapsulate(sa, wire)
    plane = DataPlane(seeded_random(1))
    event = plane.outbound(replace(inner, options=options), sa)
    assert isinstance(event, AuditEvent)
    assert event.reason is DropReason.OUT_HEADER


@pytest.mark.parametrize("body", ["00c209aabbccdd", "00050200000105", "000102000000c2"])
def test_bad_ipv6_options_are_dropped(body: str, make_sa: MakeSa) -> None:
    sa, header = make_sa_6(make_sa), ExtensionHeader(0, bytes.fromhex(body))
    with pytest.raises(MalformedPacketError, match="option's length"):
        encapsulate(sa, Ipv6Packet(*SIX, 253, b"", headers=(header,)), 1, b"")


@pytest.mark.parametrize(("left", "size"), [(2, 16), (255, 16), (1, 8), (1, 0)])
def test_bad_routing_headers_are_dropped(left: int, size: int, make_sa: MakeSa) -> None:
    header = ExtensionHeader(43, bytes((size // 8, 0, left, 0, 0, 0, 0)) + bytes(size))
    sa = make_sa_6(make_sa)
    with pytest.raises(MalformedPacketError, match="segments left"):
        encapsulate(sa, Ipv6Packet(*SIX, 253, b"", headers=(header,)), 1, b"")
