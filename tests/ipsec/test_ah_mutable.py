"""What AH covers of every header field, option and extension header (RFC 4302 3.3.3.1, appendix A).

scapy is the oracle where it is right. It goes wrong where a type differs from a known one in the
copy bit or class alone, at source routes, at fragment headers, and at routing headers whose
segments have been visited in part.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import zero_mutable_fields

from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.ip import Ipv4Packet, MalformedPacketError
from conformance.ipsec.ip6 import ExtensionHeader, Ipv6Packet
from conformance.ipsec.mutable import covered
from conformance.ipsec.protection import decapsulate, encapsulate

if TYPE_CHECKING:
    from conftest import MakeSa

    from conformance.ipsec.packet import Packet

FOUR = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
SIX = [IPv6Address(f"2001:db8::{number}") for number in range(1, 6)]
AH = bytes.fromhex("fd0400000000123400000001") + bytes(12) + b"data"
V4 = Ipv4Packet(*FOUR, 51, AH, ttl=64, identification=7)
V6 = Ipv6Packet(SIX[0], SIX[1], 51, AH, ttl=64)

IMMUTABLE = [  # RFC 4302 A1: copy, class, number
    (1, 0, 2, "security"),
    (1, 0, 5, "extended security"),
    (1, 0, 6, "commercial security"),
    (1, 0, 20, "router alert"),
    (1, 0, 21, "sender directed multi-destination delivery"),
]
MUTABLE = [
    (1, 0, 3, "loose source route"),
    (0, 2, 4, "time stamp"),
    (0, 0, 7, "record route"),
    (1, 0, 9, "strict source route"),
    (0, 2, 18, "traceroute"),
    (1, 0, 8, "stream id"),
    (0, 0, 11, "MTU probe"),
    (0, 0, 12, "MTU reply"),
    (1, 0, 17, "extended internet protocol"),
    (0, 0, 10, "experimental measurement"),
    (1, 2, 13, "experimental flow control"),
    (1, 0, 14, "experimental access control"),
    (0, 0, 15, "???"),
    (1, 0, 16, "IMI traffic descriptor"),
    (1, 0, 19, "address extension"),
]
UNKNOWN = [  # in no table: "it should zero the whole option" (RFC 4302 3.3.3.1)
    (0, 0, 2, "security, not copied"),
    (0, 0, 20, "router alert, not copied"),
    (1, 2, 5, "extended security of the debugging class"),
    (1, 3, 21, "sender directed delivery of class 3"),
    (0, 0, 30, "experiment of RFC 4727"),
]
Row = tuple[int, int, int, str]


def name_of(row: object) -> str | None:
    return row[3] if isinstance(row, tuple) else None


ROUTE = "080a000001"
BODIES = {3: ROUTE, 7: ROUTE, 9: ROUTE, 18: "0001000200030a000001", 19: "0a0000010a000002"} | {
    4: "0900aabbccdd",
    20: "0000",
    21: "0a000001",
}
"""What stands behind the length, where scapy looks closer; all hops are visited."""


def option_of(row: Row) -> bytes:
    copy, group, number, _ = row
    body = bytes.fromhex(BODIES.get(number, "aabbccddeeff"))
    return bytes((copy << 7 | group << 5 | number, 2 + len(body))) + body


def with_option(row: Row) -> Ipv4Packet:
    option = option_of(row)
    return replace(V4, options=option + bytes(-len(option) % 4))


def options_in(data: bytes) -> bytes:
    return data[20 : -len(AH)]


def scapys(packet: Packet) -> bytes:
    kind = IP if isinstance(packet, Ipv4Packet) else IPv6
    return bytes(zero_mutable_fields(kind(packet.build()), sending=True))


@pytest.mark.parametrize("row", IMMUTABLE, ids=name_of)
def test_immutable_options(row: Row) -> None:
    """Whole, on both sides."""
    packet = with_option(row)
    for sending in (True, False):
        assert options_in(covered(packet, sending=sending)) == packet.options
    assert covered(packet, sending=True) == scapys(packet)


@pytest.mark.parametrize("row", MUTABLE, ids=name_of)
def test_mutable_options(row: Row) -> None:
    """Zeros, the type and the length too (RFC 4302 3.3.3.1.1.2)."""
    packet = with_option(row)
    for sending in (True, False):
        assert options_in(covered(packet, sending=sending)) == bytes(len(packet.options))
    assert covered(packet, sending=True) == scapys(packet)


@pytest.mark.parametrize("row", UNKNOWN, ids=name_of)
def test_unknown_options(row: Row) -> None:
    packet = with_option(row)
    for sending in (True, False):
        assert options_in(covered(packet, sending=sending)) == bytes(len(packet.options))


def test_scapy_looks_at_numbers_alone() -> None:
    """It takes an option of the debugging class for one of the table."""
    packet = with_option(UNKNOWN[2])
    assert options_in(scapys(packet)) == packet.options


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("01010100", "01010100"),  # no operation, end of the list
        ("00000000", "00000000"),
        ("0703ff01", "00000001"),  # a mutable one, no operation
        ("0703ff00deadbeef", "00000000deadbeef"),  # what is behind the end is nobody's to change
        ("94040000820b" + "11" * 9 + "0703ff00" + "00", "94040000820b" + "11" * 9 + "0000000000"),
    ],
)
def test_lists_of_options(options: str, expected: str) -> None:
    packet = replace(V4, options=bytes.fromhex(options))
    assert options_in(covered(packet, sending=False)) == bytes.fromhex(expected)


def test_fields_of_ipv4() -> None:
    """RFC 4302 3.3.3.1.1.1: DSCP, ECN, flags, offset, TTL and checksum are zeros."""
    packet = replace(V4, tos=0xFF, flags=7, fragment_offset=0x1FFF, ttl=255)
    data = covered(packet, sending=True)
    assert (
        data.hex()
        == "4500" + "0030" + "0007" + "0000" + "0033" + "0000" + "c0000201c0000202" + AH.hex()
    )
    assert data == scapys(replace(packet, flags=2, fragment_offset=0))


def test_fields_of_ipv6() -> None:
    """RFC 4302 3.3.3.1.2.1: DSCP, ECN, flow label and hop limit are zeros."""
    packet = replace(V6, tos=0xFF, flow_label=0xFFFFF, ttl=255)
    data = covered(packet, sending=True)
    assert data[:8].hex() == "60000000" + "001c" + "3300"
    assert data[8:] == SIX[0].packed + SIX[1].packed + AH
    assert data == scapys(packet)


SOURCE_ROUTES = [  # pointer, addresses: the last hop, and so the destination that is covered
    (4, (1, 2, 3), 3),
    (8, (1, 2, 3), 3),
    (12, (1, 2, 3), 3),
    (16, (1, 2, 3), None),  # all visited
    (4, (1,), 1),
    (255, (1, 2), None),
    (0, (1, 2), None),  # no address is there
]


@pytest.mark.parametrize("kind", [0x83, 0x89])
@pytest.mark.parametrize(("pointer", "hops", "last"), SOURCE_ROUTES)
def test_source_routes(kind: int, pointer: int, hops: tuple[int, ...], last: int | None) -> None:
    """RFC 4302 3.3.3.1.1.1: the destination is mutable but predictable."""
    addresses = b"".join(bytes((10, 0, 0, hop)) for hop in hops)
    option = bytes((kind, 3 + len(addresses), pointer)) + addresses
    packet = replace(V4, options=option.ljust(-len(option) % 4 + len(option), b"\0"))
    sent, arrived = (covered(packet, sending=sending)[16:20] for sending in (True, False))
    assert sent == (bytes((10, 0, 0, last)) if last else FOUR[1].packed)
    assert arrived == FOUR[1].packed


IPV6_OPTIONS = [  # type, whether the third bit says that it changes (RFC 8200 4.2)
    (0x01, False),  # PadN
    (0x05, False),  # router alert
    (0xC2, False),  # jumbo payload
    (0xC9, False),  # home address
    (0x3E, True),  # experiment of RFC 4727
    (0x1E, False),
    (0x26, True),  # quick-start
    (0x8B, False),
    (0xEE, True),
    *((number, bool(number & 0x20)) for number in range(0x40, 0x100, 7)),
]


@pytest.mark.parametrize("number", [0, 60], ids=["hop by hop", "destination options"])
@pytest.mark.parametrize(("kind", "changes"), IPV6_OPTIONS)
def test_ipv6_options(number: int, kind: int, *, changes: bool) -> None:
    """RFC 4302 A2: data that changes is zeros; type and length are covered."""
    header = ExtensionHeader(number, bytes((0, kind, 4, 1, 2, 3, 4)))
    packet = replace(V6, headers=(header,))
    for sending in (True, False):
        body = covered(packet, sending=sending)[41:48]
        assert body == bytes((0, kind, 4)) + (bytes(4) if changes else b"\1\2\3\4")


PADDED = [
    "0000003e02aabb",
    "010502000001003e06aabbccddeeff",
    "013e000000050200000104aabbccdd",
]


@pytest.mark.parametrize("body", PADDED)
def test_padding_between_ipv6_options(body: str) -> None:
    """Pad1 is one octet, and PadN is covered as it is."""
    packet = replace(V6, headers=(ExtensionHeader(60, bytes.fromhex(body)),))
    assert covered(packet, sending=True) == scapys(packet)


def routing(left: int, *hops: int, kind: int = 0) -> ExtensionHeader:
    addresses = b"".join(SIX[hop].packed for hop in hops)
    return ExtensionHeader(43, bytes((2 * len(hops), kind, left, 0, 0, 0, 0)) + addresses)


ROUTES = [  # destination and header as sent, and as they arrive (RFC 8200 4.4, RFC 2460 4.4)
    (1, routing(1, 2), 2, routing(0, 1)),
    (1, routing(2, 2, 3), 3, routing(0, 1, 2)),
    (1, routing(3, 2, 3, 4), 4, routing(0, 1, 2, 3)),
    (2, routing(1, 1, 3), 3, routing(0, 1, 2)),  # on its way
    (3, routing(0, 1, 2), 3, routing(0, 1, 2)),  # there
    (1, routing(1, 2, kind=2), 2, routing(0, 1, kind=2)),  # Mobile IPv6 (RFC 6275 6.4)
]


@pytest.mark.parametrize(("to", "sent", "last", "arrived"), ROUTES)
def test_routing_headers(
    to: int, sent: ExtensionHeader, last: int, arrived: ExtensionHeader, make_sa: MakeSa
) -> None:
    """RFC 4302 A2: mutable but predictable; the sender covers what the last hop will see."""
    leaving = replace(V6, destination=SIX[to], headers=(sent,))
    there = replace(V6, destination=SIX[last], headers=(arrived,))
    assert covered(leaving, sending=True) == covered(there, sending=False)
    sa = make_sa(protocol=51, mode="transport", replay=None, source=SIX[0], destination=SIX[to])
    inner = replace(leaving, protocol=253, payload=b"data")
    carried = encapsulate(sa, inner, 1, b"")
    assert isinstance(carried, Ipv6Packet)
    wire = replace(carried, destination=there.destination, headers=there.headers)
    assert decapsulate(sa, wire).payload == b"data"


@pytest.mark.parametrize(("to", "sent"), [row[:2] for row in ROUTES[:3]])
def test_scapy_agrees_about_routes_not_begun(to: int, sent: ExtensionHeader) -> None:
    packet = replace(V6, destination=SIX[to], headers=(sent,))
    assert covered(packet, sending=True) == scapys(packet)


def test_scapy_moves_addresses_that_were_visited() -> None:
    packet = replace(V6, destination=SIX[3], headers=(routing(0, 1, 2),))
    assert covered(packet, sending=True) != scapys(packet)


@pytest.mark.parametrize("kind", [1, 3, 4, 253])
def test_routes_of_other_types_are_not_begun(kind: int, make_sa: MakeSa) -> None:
    """RFC 4302 A2 predicts type 0 alone: what would not verify is not sent."""
    sa = make_sa(protocol=51, mode="transport", replay=None, source=SIX[0], destination=SIX[1])
    begun = Ipv6Packet(SIX[0], SIX[1], 253, b"data", headers=(routing(1, 2, kind=kind),))
    with pytest.raises(MalformedPacketError, match=f"routing type {kind}"):
        encapsulate(sa, begun, 1, b"")
    done = replace(begun, headers=(routing(0, 2, kind=kind),))
    assert decapsulate(sa, encapsulate(sa, done, 1, b"")) == done


ATOMIC = ExtensionHeader(44, bytes.fromhex("00000000000007"))
OPTIONS = ExtensionHeader(60, bytes.fromhex("003e04aabbccdd"))
HOP_BY_HOP = ExtensionHeader(0, bytes.fromhex("00050200000100"))


@pytest.mark.parametrize(
    "headers",
    [(ATOMIC,), (HOP_BY_HOP, ATOMIC), (HOP_BY_HOP, routing(0, 1), ATOMIC), (ATOMIC, OPTIONS)],
    ids=["alone", "hop by hop", "routing", "options behind"],
)
def test_fragment_headers_are_skipped(headers: tuple[ExtensionHeader, ...]) -> None:
    """RFC 4302 A2: on both sides, and the next header value ahead becomes the one behind."""
    packet = replace(V6, headers=headers)
    without = replace(V6, headers=tuple(one for one in headers if one != ATOMIC))
    for sending in (True, False):
        assert covered(packet, sending=sending) == covered(without, sending=sending)


def test_options_behind_ah_are_payload(make_sa: MakeSa) -> None:
    """RFC 4302 3.1.1: behind a routing header they are for the last host, covered to the octet."""
    sa = make_sa(protocol=51, mode="transport", replay=None, source=SIX[0], destination=SIX[1])
    inner = Ipv6Packet(SIX[0], SIX[1], 253, b"data", headers=(OPTIONS, routing(0, 1), OPTIONS))
    carried = encapsulate(sa, inner, 1, b"")
    assert isinstance(carried, Ipv6Packet)
    assert carried.headers == inner.headers[:2]
    assert decapsulate(sa, carried) == inner
    changed = ExtensionHeader(60, OPTIONS.body[:-1] + b"\0")
    assert decapsulate(sa, replace(carried, headers=(changed, *carried.headers[1:])))
    at = carried.payload.index(OPTIONS.body)
    payload = carried.payload[:at] + changed.body + carried.payload[at + len(changed.body) :]
    with pytest.raises(PacketDroppedError) as caught:
        decapsulate(sa, replace(carried, payload=payload))
    assert caught.value.reason is DropReason.IN_INTEGRITY


def test_jumbograms_are_refused() -> None:
    """RFC 2675's payload length of zero: what is longer than 65535 octets we do not read."""
    jumbo = ExtensionHeader(0, bytes.fromhex("00c20400020000"))
    wire = replace(V6, headers=(jumbo,)).build()
    with pytest.raises(MalformedPacketError, match="0 octets of extension header 0"):
        Ipv6Packet.parse(wire[:4] + bytes(2) + wire[6:])
