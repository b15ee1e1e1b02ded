"""Path MTU: which SA an ICMP message is about, what is believed of it, and what follows."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.ipsec.association import UdpEncapsulation
from conformance.ipsec.fragments import fragment
from conformance.ipsec.icmp import carrying
from conformance.ipsec.icmp_errors import ErrorKind, IcmpError, error_about, error_of
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.ip6 import ExtensionHeader, Ipv6Packet
from conformance.ipsec.packet import parse_packet
from conformance.ipsec.pmtu import Fit, PathMtu, concerned, fit, told_mtu, too_big
from conformance.ipsec.reassembly import Reassembly
from conformance.ipsec.sad import Selector
from conformance.ipsec.selector import ANYWHERE_6
from conformance.ipsec.sizes import largest_inner
from conformance.ipsec.tunnel_header import TunnelHeader

if TYPE_CHECKING:
    from conftest import MakePair, MakeSa, Pair

    from conformance.ipsec.packet import Packet

FOUR = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
SIX = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
VERSIONS: dict[str, tuple[Any, ...]] = {"4": FOUR, "6": SIX}
SELECTORS = {"4": Selector(), "6": Selector(ANYWHERE_6, ANYWHERE_6)}
ROUTERS: dict[str, Any] = {"4": IPv4Address("198.51.100.1"), "6": IPv6Address("2001:db8::ff")}
TOO_BIG = ErrorKind.TOO_BIG
DF = 0b010


def pair_of(make_pair: MakePair, outer: str, inner: str, **more: Any) -> Pair:
    ends = dict(zip(("source", "destination"), VERSIONS[outer], strict=True))
    return make_pair({}, selector=SELECTORS[inner], **ends | more)


def packet_of(version: str, size: int, flags: int = 0) -> Packet:
    """An inner packet of this total length."""
    if version == "4":
        return Ipv4Packet(*FOUR, 253, bytes(size - 20), flags=flags)
    return Ipv6Packet(*SIX, 253, bytes(size - 40))


def big(mtu: int, length: int = 1500, version: str = "4") -> IcmpError:
    """A packet too big, as a router on the path tells it."""
    error = error_about(packet_of(version, length), TOO_BIG, ROUTERS[version], mtu=mtu)
    assert error is not None
    read = error_of(error)
    assert read is not None
    return read


# What is believed.


def test_a_lower_mtu_is_believed_for_a_while() -> None:
    """RFC 4301 8.2.2, RFC 1191 6.3: after ten minutes the path may be better again."""
    path = PathMtu(1500, version=4)
    assert path.current(0.0) == 1500
    assert path.learn(big(1400), 100.0)
    assert [path.current(now) for now in (100.0, 699.0, 700.0)] == [1400, 1400, 1500]
    assert path.learn(big(1400), 800.0)
    assert not path.learn(big(1400), 850.0), "told again, it ages all the same"
    assert [path.current(now) for now in (1399.0, 1400.0)] == [1400, 1500]
    assert path.learn(big(1400), 2000.0)
    assert path.learn(big(1300), 2100.0)
    assert [path.current(now) for now in (2600.0, 2699.0, 2700.0)] == [1300, 1300, 1500]


@pytest.mark.parametrize(
    ("version", "mtu", "length", "expected"),
    [
        (4, 1400, 1500, 1400),
        (4, 1500, 1500, 1500),  # no reason to be told
        (4, 1400, 1300, 1500),  # a packet that fits
        (4, 9000, 9500, 1500),  # RFC 8201 4: never raised
        (4, 576, 1500, 576),
        (4, 575, 1500, 576),  # RFC 4301 6.1.1: a least MTU
        (4, 1, 1500, 576),
        (4, 0, 1500, 1492),  # RFC 1191 5: an old router, the next plateau
        (4, 0, 1492, 1006),
        (4, 0, 500, 576),
        (6, 1400, 1500, 1400),
        (6, 1280, 1500, 1280),
        (6, 1279, 1500, 1500),  # RFC 8201 4: discarded
        (6, 0, 1500, 1492),
    ],
)
def test_what_is_believed(version: int, mtu: int, length: int, expected: int) -> None:
    path = PathMtu(1500, version)
    assert path.learn(big(mtu, length, str(version)), 0.0) is (expected != 1500)
    assert path.current(0.0) == expected


def test_other_errors_say_nothing_of_the_path() -> None:
    path = PathMtu(1500, version=4)
    assert not path.learn(replace(big(1400), kind=ErrorKind.UNREACHABLE), 0.0)
    assert path.current(0.0) == 1500


@given(
    st.lists(st.tuples(st.integers(0, 70000), st.integers(20, 65535), st.floats(0, 100))),
    st.sampled_from([4, 6]),
)
def test_forgery_does_limited_harm(messages: list[tuple[int, int, float]], version: int) -> None:
    """Whatever is told: between what every path carries and the first link; falling till aged."""
    path, now, before = PathMtu(1500, version), 0.0, 1500
    least = {4: 576, 6: 1280}[version]
    for mtu, length, passed in messages:
        quoted = packet_of(str(version), max(length, 40)).build()[:28]
        error = IcmpError(TOO_BIG, 0, mtu, quoted if version == 4 else quoted + bytes(12))
        now += passed
        aged = path.current(now) == 1500
        path.learn(error, now)
        assert least <= path.current(now) <= (1500 if aged else before)
        before = path.current(now)
    assert path.current(now + 600.0) == 1500


@pytest.mark.parametrize(("link", "version"), [(575, 4), (1279, 6)])
def test_links_that_carry_too_little(link: int, version: int) -> None:
    with pytest.raises(ValueError, match=f"a link with an MTU of {link}"):
        PathMtu(link, version)


# Which SA it is about.


def reported(wire: bytes, version: str, octets: int | None = None) -> IcmpError:
    """What a router tells of a packet on the wire, quoting so many octets behind its header."""
    outer = parse_packet(wire)
    error = error_about(outer, TOO_BIG, ROUTERS[version], mtu=1300)
    assert error is not None
    if octets is not None:
        header = outer.total_length - len(outer.payload)
        error = carrying(error.payload[: 8 + header + octets], error.source, error.destination)
    read = error_of(error)
    assert read is not None
    return read


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("protocol", [50, 51])
@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_the_sa_is_found(version: str, protocol: int, mode: str, make_pair: MakePair) -> None:
    """RFC 4301 8.2.1: by what eight octets of the quoted packet show (RFC 792)."""
    pair = pair_of(
        make_pair,
        version,
        version,
        protocol=protocol,
        mode=mode,
        cipher="none" if protocol == 51 else "aes128",
    )
    decoys = [replace(pair.out.outer, spi=spi) for spi in (1, 2)]
    sas = [*decoys, pair.out.outer]
    wire = pair.wire(packet_of(version, 400))
    for octets in (8, 60, None):
        assert concerned(reported(wire, version, octets), sas) is pair.out.outer
    assert concerned(reported(wire, version, 3), sas) is None
    assert concerned(reported(wire, version), decoys) is None
    assert concerned(reported(wire, version), [pair.into.outer]) is None, "inbound"
    other = replace(pair.out.outer, destination=ROUTERS[version])
    assert concerned(reported(wire, version), [other]) is None


def test_the_sa_in_udp_is_found(make_pair: MakePair) -> None:
    """By the SPI where it is quoted, else by ports that no other SA has."""
    udp = UdpEncapsulation(4500, 1025)
    pair = pair_of(make_pair, "4", "4", udp=udp)
    outer = pair.out.outer
    elsewhere = replace(outer, spi=1, udp=UdpEncapsulation(4500, 1026))
    twin, bare = replace(outer, spi=2), replace(outer, spi=3, udp=None)
    wire = pair.wire(packet_of("4", 400))
    for octets in (12, None):
        assert concerned(reported(wire, "4", octets), [elsewhere, twin, bare, outer]) is outer
    assert concerned(reported(wire, "4", 8), [elsewhere, bare, outer]) is outer
    assert concerned(reported(wire, "4", 8), [twin, outer]) is None
    assert concerned(reported(wire, "4", 3), [outer]) is None


def test_other_packets_concern_no_sa(make_sa: MakeSa) -> None:
    """Also where what is quoted cannot be read."""
    sa = make_sa()
    for packet in (packet_of("4", 400), Ipv4Packet(*FOUR, 17, bytes(20)), packet_of("6", 400)):
        read = reported(packet.build(), "4" if isinstance(packet, Ipv4Packet) else "6")
        assert concerned(read, [sa, replace(sa, udp=UdpEncapsulation())]) is None
    short = IcmpError(TOO_BIG, 4, 1300, b"\x4f" * 30)
    assert (short.about, concerned(short, [sa])) == (None, None)
    nothing = IcmpError(TOO_BIG, 4, 1300, b"")
    assert (nothing.about, concerned(nothing, [sa])) == (None, None)
    assert not PathMtu(1500, version=4).learn(nothing, 0.0)
    between = Ipv4Packet(sa.source, sa.destination, 17, sa.spi.to_bytes(4) * 5)
    for one in (sa, replace(sa, udp=UdpEncapsulation())):
        assert concerned(reported(between.build(), "4"), [one]) is None


# What is done with packets.


class Case(NamedTuple):
    """A packet of 1400 octets, on a path with the same MTU."""

    inner: str
    """Its version, and whether it has DF."""
    df: str
    """Of the tunnel's header."""
    expected: Fit


TUNNELS = [
    Case("4 DF", "copy", Fit.TOO_BIG),  # case 1 of RFC 4301 8.2.1
    Case("4 DF", "set", Fit.TOO_BIG),
    Case("4 DF", "clear", Fit.FRAGMENT_OUTER),
    Case("4", "copy", Fit.FRAGMENT_EITHER),  # case 2
    Case("4", "set", Fit.FRAGMENT_INNER),
    Case("4", "clear", Fit.FRAGMENT_EITHER),
    Case("6", "copy", Fit.TOO_BIG),  # case 3
    Case("6", "set", Fit.TOO_BIG),
    Case("6", "clear", Fit.FRAGMENT_OUTER),
]
TRANSPORT = [
    Case("4 DF", "copy", Fit.TOO_BIG),
    Case("4", "copy", Fit.FRAGMENT_OUTER),
    Case("6", "copy", Fit.TOO_BIG),
]


def case_of(make_pair: MakePair, outer: str, case: Case, mode: str) -> tuple[Pair, Packet]:
    header = TunnelHeader(df=case.df)
    pair = pair_of(make_pair, outer, case.inner[0], mode=mode, tunnel_header=header)
    return pair, packet_of(case.inner[0], 1400, DF if "DF" in case.inner else 0)


@pytest.mark.parametrize("case", TUNNELS, ids=str)
@pytest.mark.parametrize("outer", VERSIONS)
def test_what_is_done_in_tunnel_mode(outer: str, case: Case, make_pair: MakePair) -> None:
    pair, packet = case_of(make_pair, outer, case, "tunnel")
    assert fit(pair.out, packet, 1500) is Fit.WHOLE
    assert fit(pair.out, packet, 1400) is case.expected
    fragments_pass(pair, packet, case.expected)


@pytest.mark.parametrize("case", TRANSPORT, ids=str)
def test_what_is_done_in_transport_mode(case: Case, make_pair: MakePair) -> None:
    pair, packet = case_of(make_pair, case.inner[0], case, "transport")
    assert fit(pair.out, packet, 1500) is Fit.WHOLE
    assert fit(pair.out, packet, 1400) is case.expected
    fragments_pass(pair, packet, case.expected)


def fragments_pass(pair: Pair, packet: Packet, how: Fit) -> None:
    """What is told to be possible is: before protection, and after."""
    if how in (Fit.FRAGMENT_OUTER, Fit.FRAGMENT_EITHER):
        table = Reassembly()
        pieces = fragment(parse_packet(pair.wire(packet)), 1400, 1)
        first, whole = [table.add(one, 0.0) for one in pieces]
        assert first is None
        assert whole is not None
        assert pair.received(whole.build()) == packet
    if how in (Fit.FRAGMENT_INNER, Fit.FRAGMENT_EITHER):
        pieces = fragment(packet, largest_inner(pair.out, 1400))
        assert [len(pair.wire(one)) <= 1400 for one in pieces] == [True, True]


@pytest.mark.parametrize("outer", VERSIONS)
def test_ipv6_is_not_told_to_shrink_below_its_least(outer: str, make_pair: MakePair) -> None:
    """RFC 2473 7.1, RFC 4213 3.2.2: up to 1280 octets it is the tunnel that is fragmented."""
    pair = pair_of(make_pair, outer, "6")
    small, large = packet_of("6", 1280), packet_of("6", 1281)
    assert (fit(pair.out, small, 1300), fit(pair.out, large, 1300)) == (
        Fit.FRAGMENT_OUTER,
        Fit.TOO_BIG,
    )
    assert told_mtu(pair.out, large, 1300) == 1280
    assert len(fragment(parse_packet(pair.wire(small)), 1300)) == 2


@pytest.mark.parametrize("outer", VERSIONS)
@pytest.mark.parametrize("inner", VERSIONS)
def test_who_heeds_the_message_gets_through(outer: str, inner: str, make_pair: MakePair) -> None:
    """The MTU told is exact: such a packet fits, one octet more does not."""
    pair = pair_of(make_pair, outer, inner)
    for mtu in range(1400, 1420):
        refused = too_big(pair.out, packet_of(inner, 1500, DF), mtu, ROUTERS[inner])
        assert refused is not None
        read = error_of(refused)
        assert read is not None
        assert read.kind is TOO_BIG
        assert fit(pair.out, packet_of(inner, read.mtu, DF), mtu) is Fit.WHOLE
        assert fit(pair.out, packet_of(inner, read.mtu + 1, DF), mtu) is Fit.TOO_BIG


def test_headers_of_transport_mode_are_counted(make_pair: MakePair) -> None:
    """Options stay ahead of ESP; options behind a routing header do not (RFC 4303 3.1.1)."""
    options = ExtensionHeader(60, bytes.fromhex("00010400000000"))
    routed = ExtensionHeader(43, bytes((2, 0, 0, 0, 0, 0, 0)) + SIX[0].packed)
    four = replace(packet_of("4", 500), options=bytes(16))
    six = replace(packet_of("6", 500), headers=(routed, options))
    for version, packet in (("4", four), ("6", six)):
        pair = pair_of(make_pair, version, version, mode="transport")
        size = len(pair.wire(packet))
        assert fit(pair.out, packet, size) is Fit.WHOLE
        assert fit(pair.out, packet, size - 1) is not Fit.WHOLE


def test_the_least_that_ipv4_is_told(make_pair: MakePair) -> None:
    """RFC 791 3.1: 68 octets, which every link carries."""
    pair = pair_of(make_pair, "4", "4")
    assert told_mtu(pair.out, packet_of("4", 200, DF), 100) == 68
