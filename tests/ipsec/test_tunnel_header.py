"""Tunnel headers: DF, DSCP, ECN, TTL and flow label, for every mixture of IP versions."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

import pytest

from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.ecn import CE, ECT_0, ECT_1, NOT_ECT, leaving
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.ip6 import Ipv6Packet
from conformance.ipsec.packet import Packet, parse_packet
from conformance.ipsec.protection import decapsulate, encapsulate
from conformance.ipsec.sad import Selector
from conformance.ipsec.selector import ANYWHERE_6
from conformance.ipsec.tunnel_header import TunnelHeader

if TYPE_CHECKING:
    from conftest import MakePair, MakeSa, Pair

FOUR = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
SIX = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
OUTER: dict[str, tuple[Any, Any]] = {"4": FOUR, "6": SIX}
INNER: dict[str, Packet] = {
    "4": Ipv4Packet(IPv4Address("10.78.1.1"), IPv4Address("10.78.2.1"), 253, b"data", ttl=9),
    "6": Ipv6Packet(
        IPv6Address("fd00::1"), IPv6Address("fd00::2"), 253, b"data", ttl=9, flow_label=0xABCDE
    ),
}
SIZES = {"least": 1280, "large": 1281}
SELECTORS = {"4": Selector(), "6": Selector(ANYWHERE_6, ANYWHERE_6)}

every_inner = pytest.mark.parametrize("inner", INNER)
every_outer = pytest.mark.parametrize("outer", OUTER)

CODEPOINTS = {"Not-ECT": NOT_ECT, "ECT(0)": ECT_0, "ECT(1)": ECT_1, "CE": CE}
FIGURE_3 = """
    incoming  compatibility  normal   rfc3168
    Not-ECT   Not-ECT        Not-ECT  Not-ECT
    ECT(0)    Not-ECT        ECT(0)   ECT(0)
    ECT(1)    Not-ECT        ECT(1)   ECT(1)
    CE        Not-ECT        CE       ECT(0)
"""
"""RFC 6040 4.1, and RFC 3168 9.1.1's full functionality beside it."""
FIGURE_4 = """
    inner     Not-ECT   ECT(0)       ECT(1)       CE
    Not-ECT   Not-ECT   Not-ECT!!!   Not-ECT!!!   drop!!!
    ECT(0)    ECT(0)    ECT(0)       ECT(1)       CE
    ECT(1)    ECT(1)    ECT(1)!      ECT(1)       CE
    CE        CE        CE           CE!!!        CE
"""
"""RFC 6040 4.2: the columns are the outer field."""
RFC_4301 = """
    inner     Not-ECT   ECT(0)    ECT(1)    CE
    Not-ECT   Not-ECT   Not-ECT   Not-ECT   Not-ECT
    ECT(0)    ECT(0)    ECT(0)    ECT(0)    CE
    ECT(1)    ECT(1)    ECT(1)    ECT(1)    CE
    CE        CE        CE        CE        CE
"""
"""RFC 4301 5.1.2.1, note 6."""
LIMITED = """
    inner     Not-ECT   ECT(0)    ECT(1)    CE
    Not-ECT   Not-ECT   Not-ECT   Not-ECT   Not-ECT
    ECT(0)    ECT(0)    ECT(0)    ECT(0)    ECT(0)
    ECT(1)    ECT(1)    ECT(1)    ECT(1)    ECT(1)
    CE        CE        CE        CE        CE
"""
"""RFC 3168 9.1.2: the outer field is discarded."""
ALARMS = {0: "", 1: "possibly dangerous", 3: "always potentially dangerous"}


def cells(figure: str) -> list[tuple[str, str, str]]:
    """Row, column and what stands there."""
    (_, *columns), *rows = (line.split() for line in figure.strip().splitlines())
    return [
        (first, column, cell)
        for first, *rest in rows
        for column, cell in zip(columns, rest, strict=True)
    ]


def pair_of(make_pair: MakePair, outer: str, inner: str, **policy: Any) -> Pair:
    ends = dict(zip(("source", "destination"), OUTER[outer], strict=True))
    header = TunnelHeader(**policy)
    return make_pair({}, selector=SELECTORS[inner], tunnel_header=header, **ends)


@pytest.mark.parametrize(("incoming", "mode", "departing"), cells(FIGURE_3))
@every_inner
@every_outer
def test_ecn_enters(
    outer: str, inner: str, incoming: str, mode: str, departing: str, *, make_pair: MakePair
) -> None:
    """Whatever the mode, the inner header keeps its own field (RFC 6040 4.1)."""
    pair = pair_of(make_pair, outer, inner, ecn=mode, ecn_received="limited")
    packet = replace(INNER[inner], tos=0xB8 | CODEPOINTS[incoming])
    wire = pair.wire(packet)
    assert parse_packet(wire).tos == 0xB8 | CODEPOINTS[departing]
    assert pair.received(wire) == packet


@pytest.mark.parametrize(("inner_ecn", "outer_ecn", "outgoing"), cells(FIGURE_4))
@every_inner
@every_outer
def test_ecn_leaves(
    outer: str, inner: str, inner_ecn: str, outer_ecn: str, outgoing: str, *, make_pair: MakePair
) -> None:
    """RFC 6040 4.2: inner Not-ECT and outer CE MUST be dropped; the DSCP stays the inner one."""
    pair = pair_of(make_pair, outer, inner)
    packet = replace(INNER[inner], tos=0xB8 | CODEPOINTS[inner_ecn])
    wire = replace(parse_packet(pair.wire(packet)), tos=CODEPOINTS[outer_ecn]).build()
    if outgoing.startswith("drop"):
        assert pair.reason(wire) is DropReason.IN_CONGESTION
    else:
        assert pair.received(wire) == replace(packet, tos=0xB8 | CODEPOINTS[outgoing.rstrip("!")])


@pytest.mark.parametrize(("inner_ecn", "outer_ecn", "outgoing"), cells(FIGURE_4))
def test_unused_combinations_are_told(inner_ecn: str, outer_ecn: str, outgoing: str) -> None:
    """RFC 6040 4.2: the decapsulator SHOULD log what no tunnel makes."""
    left = leaving(CODEPOINTS[inner_ecn], CODEPOINTS[outer_ecn])
    assert left.alarm == ALARMS[outgoing.count("!")]


@pytest.mark.parametrize(("mode", "figure"), [("rfc4301", RFC_4301), ("limited", LIMITED)])
def test_ecn_leaves_as_it_did_earlier(mode: str, figure: str, make_pair: MakePair) -> None:
    pair = pair_of(make_pair, "4", "4", ecn_received=mode)
    for inner_ecn, outer_ecn, outgoing in cells(figure):
        packet = replace(INNER["4"], tos=CODEPOINTS[inner_ecn])
        wire = replace(parse_packet(pair.wire(packet)), tos=CODEPOINTS[outer_ecn]).build()
        assert pair.received(wire).tos == CODEPOINTS[outgoing], (inner_ecn, outer_ecn)


@pytest.mark.parametrize(
    ("policy", "inner", "flags", "expected"),
    [
        ("copy", "4", 0b010, 0b010),
        ("copy", "4", 0b000, 0b000),
        ("copy", "4", 0b001, 0b000),  # a fragment's flag is its own
        ("copy", "6", 0, 0b000),  # RFC 4213 3.2.2: it cannot be told to shrink
        ("copy", "least", 0, 0b000),
        ("copy", "large", 0, 0b010),
        *(("set", inner, 0, 0b010) for inner in INNER),
        ("set", "4", 0b010, 0b010),
        *(("clear", inner, 0, 0b000) for inner in INNER),
        ("clear", "4", 0b010, 0b000),
    ],
)
def test_df(policy: str, inner: str, flags: int, expected: int, make_pair: MakePair) -> None:
    """RFC 4301 8.1: set, clear or copied, as each SA is configured."""
    packet = INNER.get(inner, INNER["6"])
    packet = replace(packet, payload=bytes(SIZES[inner] - 40)) if inner in SIZES else packet
    if isinstance(packet, Ipv4Packet):
        packet = replace(packet, flags=flags)
    pair = pair_of(make_pair, "4", "4" if inner == "4" else "6", df=policy)
    wire = pair.wire(packet)
    assert Ipv4Packet.parse(wire).flags == expected
    assert pair.received(wire) == packet


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("copy", 0x2E), (0, 0), (10, 10), ({0x2E: 8}, 8), ({0x2D: 8}, 0x2E)],
)
@every_inner
@every_outer
def test_dscp(outer: str, inner: str, policy: Any, expected: int, make_pair: MakePair) -> None:
    """RFC 4301 5.1.2: copied, fixed, or mapped for the domain it enters; ECN is apart."""
    pair = pair_of(make_pair, outer, inner, dscp=policy)
    packet = replace(INNER[inner], tos=0x2E << 2 | ECT_0)
    wire = pair.wire(packet)
    assert parse_packet(wire).tos == expected << 2 | ECT_0
    assert pair.received(wire) == packet


@pytest.mark.parametrize(("policy", "arrived"), [("discard", 0x2E), ("overwrite", 10)])
def test_dscp_received(policy: str, arrived: int, make_pair: MakePair) -> None:
    """RFC 4301 5.1.2: discarded by default, or written over the inner one."""
    pair = pair_of(make_pair, "4", "6", dscp_received=policy)
    packet = replace(INNER["6"], tos=0x2E << 2 | ECT_0)
    wire = replace(parse_packet(pair.wire(packet)), tos=10 << 2 | CE).build()
    assert pair.received(wire).tos == arrived << 2 | CE


@pytest.mark.parametrize(("policy", "expected"), [({}, 64), ({"ttl": 5}, 5), ({"ttl": "copy"}, 9)])
@every_inner
@every_outer
def test_ttl(outer: str, inner: str, policy: Any, expected: int, make_pair: MakePair) -> None:
    """RFC 4301 5.1.2.1, note 2: constructed; a host that sends changes no inner one."""
    pair = pair_of(make_pair, outer, inner, **policy)
    wire = pair.wire(INNER[inner])
    assert parse_packet(wire).ttl == expected
    assert pair.received(wire).ttl == 9


@pytest.mark.parametrize(
    ("policy", "inner", "expected"),
    [
        ({}, "6", 0),
        ({"flow_label": "copy"}, "6", 0xABCDE),
        ({"flow_label": "copy"}, "4", 0),
        ({"flow_label": 7}, "4", 7),
        ({"flow_label": 7}, "6", 7),
    ],
)
def test_flow_label(policy: Any, inner: str, expected: int, make_pair: MakePair) -> None:
    """RFC 4301 5.1.2.2, note 8: copied or configured."""
    outer = parse_packet(pair_of(make_pair, "6", inner, **policy).wire(INNER[inner]))
    assert isinstance(outer, Ipv6Packet)
    assert outer.flow_label == expected


@pytest.mark.parametrize(
    "policy",
    [{"ttl": 0}, {"ttl": 256}, {"dscp": 64}, {"dscp": {1: -1}}, {"flow_label": 1 << 20}],
)
def test_values_that_fit_no_field(policy: Any) -> None:
    with pytest.raises(ValueError, match="in a tunnel header's field of"):
        TunnelHeader(**policy)


def test_options_are_never_copied(make_pair: MakePair) -> None:
    """RFC 4301 5.1.2.1, note: nor are fragments' fields, nor the identification."""
    pair = pair_of(make_pair, "4", "4")
    packet = replace(
        INNER["4"], options=bytes.fromhex("94040000"), identification=0x7777, fragment_offset=5
    )
    wire = pair.wire(packet)
    outer = Ipv4Packet.parse(wire)
    assert (outer.options, outer.is_fragment, outer.identification) == (b"", False, 1)
    assert pair.received(wire) == packet


@every_inner
@pytest.mark.parametrize("middle", OUTER)
@every_outer
def test_tunnels_in_tunnels(outer: str, middle: str, inner: str, make_sa: MakeSa) -> None:
    """Each header follows from the one inside it, and congestion comes all the way in."""
    around, within = (
        make_sa(
            protocol=protocol,
            replay=None,
            tunnel_header=TunnelHeader(df="set", ttl="copy"),
            **dict(zip(("source", "destination"), OUTER[version], strict=True)),
        )
        for protocol, version in ((51, outer), (50, middle))
    )
    packet = replace(INNER[inner], tos=0x2E << 2 | ECT_0)
    carried = encapsulate(around, encapsulate(within, packet, 1, bytes(16)), 1, b"")
    wire = parse_packet(carried.build())
    assert (wire.tos, wire.ttl, wire.source) == (packet.tos, 9, OUTER[outer][0])
    congested = replace(wire, tos=wire.tos | CE)
    assert decapsulate(within, decapsulate(around, congested)) == replace(
        packet, tos=0x2E << 2 | CE
    )


def test_transport_mode_gives_whole_extension_headers_back(make_sa: MakeSa) -> None:
    """A peer may put anything behind ESP: options that end nowhere are no packet."""
    ends = dict(zip(("source", "destination"), SIX, strict=True))
    sa = make_sa(mode="transport", replay=None, **ends)
    broken = Ipv6Packet(*SIX, 60, bytes.fromhex("fdff0104"))
    carried = encapsulate(sa, broken, 1, bytes(16))
    with pytest.raises(PacketDroppedError, match="extension headers") as caught:
        decapsulate(sa, carried)
    assert caught.value.reason is DropReason.IN_MODE
