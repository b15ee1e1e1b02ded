"""ICMP of both versions: echo over IPv6, errors against scapy's, when none is sent, and the TTL."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
)
from scapy.packet import Raw

from conformance.ipsec.forwarding import Forwarded, forward
from conformance.ipsec.fragments import fragment
from conformance.ipsec.icmp import IcmpEcho, IcmpType, answer_to, carrying, echo_of
from conformance.ipsec.icmp_errors import ErrorKind, IcmpError, error_about, error_of
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.ip6 import ExtensionHeader, Ipv6Packet

if TYPE_CHECKING:
    from conformance.ipsec.packet import Packet

FOUR = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
SIX = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
ROUTERS: dict[str, Any] = {"4": IPv4Address("192.0.2.254"), "6": IPv6Address("2001:db8::ff")}
PACKETS: dict[str, Packet] = {
    "4": Ipv4Packet(*FOUR, 50, bytes(range(100)), ttl=1, identification=9),
    "6": Ipv6Packet(*SIX, 50, bytes(range(100)), ttl=1),
}
LIMITS = {"4": 576, "6": 1280}
TOO_BIG, UNREACHABLE, TIME = ErrorKind.TOO_BIG, ErrorKind.UNREACHABLE, ErrorKind.TIME_EXCEEDED

both = pytest.mark.parametrize("version", PACKETS)


def told(packet: Packet, kind: ErrorKind, **more: int) -> Packet | None:
    return error_about(
        packet, kind, ROUTERS["4" if isinstance(packet, Ipv4Packet) else "6"], **more
    )


# Echo.


def test_echo_over_ipv6_is_scapys() -> None:
    """RFC 4443 4.1: types 128 and 129; the checksum covers a pseudo-header."""
    ours = IcmpEcho(IcmpType.ECHO, 7, 8, b"data").between(*SIX)
    ends = {"src": str(SIX[0]), "dst": str(SIX[1])}
    assert ours.build() == bytes(IPv6(**ends) / ICMPv6EchoRequest(id=7, seq=8, data=b"data"))
    answer = answer_to(ours)
    assert answer is not None
    ends = {"src": str(SIX[1]), "dst": str(SIX[0])}
    assert answer.build() == bytes(IPv6(**ends) / ICMPv6EchoReply(id=7, seq=8, data=b"data"))
    assert echo_of(answer) == IcmpEcho(IcmpType.ECHO_REPLY, 7, 8, b"data")
    assert answer_to(answer) is None


@given(st.binary(max_size=60), st.integers(0, 0xFFFF))
def test_any_echo_is_answered(data: bytes, number: int) -> None:
    for ends in (FOUR, SIX):
        asked = replace(IcmpEcho(IcmpType.ECHO, number, number, data).between(*ends), tos=0x28)
        answer = answer_to(asked)
        assert answer is not None
        assert (answer.source, answer.destination, answer.tos) == (ends[1], ends[0], 0x28)
        assert echo_of(answer) == IcmpEcho(IcmpType.ECHO_REPLY, number, number, data)


ASKED = IcmpEcho(IcmpType.ECHO, 7, 8, b"data").between(*SIX)
NO_ECHO = {
    "ICMP's number in IPv6": replace(ASKED, protocol=1),
    "ICMPv6's number in IPv4": Ipv4Packet(*FOUR, 58, ASKED.payload),
    "ICMP's type in ICMPv6": carrying(b"\x08" + ASKED.payload[1:], *SIX),
    "code": carrying(b"\x80\1" + ASKED.payload[2:], *SIX),
    "other addresses": replace(ASKED, source=IPv6Address("::7")),
    "short": replace(ASKED, payload=ASKED.payload[:7]),
    "flipped": replace(ASKED, payload=ASKED.payload[:-1] + b"x"),
    "fragment": fragment(replace(ASKED, payload=bytes(2000)), 1280)[0],
}


@pytest.mark.parametrize("packet", NO_ECHO.values(), ids=NO_ECHO)
def test_what_is_no_echo(packet: Packet) -> None:
    assert echo_of(packet) is None
    assert answer_to(packet) is None


# Errors.


def scapys(version: str, layer: Any) -> bytes:
    packet = PACKETS[version]
    kind = IP if version == "4" else IPv6
    ends = {"src": str(ROUTERS[version]), "dst": str(packet.source)}
    fixed = {"id": 0} if version == "4" else {}
    return bytes(kind(**ends, **fixed) / layer / Raw(packet.build()))


SAME = [
    ("4", UNREACHABLE, {"code": 1}, ICMP(type=3, code=1)),
    ("4", TOO_BIG, {"mtu": 1400}, ICMP(type=3, code=4, nexthopmtu=1400)),
    ("4", TIME, {}, ICMP(type=11, code=0)),
    ("4", TIME, {"code": 1}, ICMP(type=11, code=1)),
    ("6", UNREACHABLE, {"code": 1}, ICMPv6DestUnreach(code=1)),
    ("6", TOO_BIG, {"mtu": 1400}, ICMPv6PacketTooBig(mtu=1400)),
    ("6", TIME, {}, ICMPv6TimeExceeded(code=0)),
    ("6", TIME, {"code": 1}, ICMPv6TimeExceeded(code=1)),
]


@pytest.mark.parametrize(("version", "kind", "more", "theirs"), SAME)
def test_the_same_octets_as_scapy(
    version: str, kind: ErrorKind, more: dict[str, int], theirs: Any
) -> None:
    """RFC 792, RFC 1191 4, RFC 4443 3; and what is read of it is what was told."""
    error = told(PACKETS[version], kind, **more)
    assert error is not None
    assert error.build() == scapys(version, theirs)
    read = error_of(error)
    code = 4 if (version, kind) == ("4", TOO_BIG) else more.get("code", 0)
    assert read == IcmpError(kind, code, more.get("mtu", 0), PACKETS[version].build())
    assert read.about == PACKETS[version]
    assert read.length == PACKETS[version].total_length


@both
@pytest.mark.parametrize("size", [0, 500, 528, 529, 1232, 1233, 9000])
def test_as_much_is_quoted_as_fits(version: str, size: int) -> None:
    """RFC 1812 4.3.2.3: up to 576 octets in all; RFC 4443 3: up to 1280."""
    packet = replace(PACKETS[version], payload=bytes(octet % 256 for octet in range(size)))
    error = told(packet, TOO_BIG, mtu=1400)
    assert error is not None
    fixed = error.total_length - len(error.payload) + 8
    assert error.total_length == min(fixed + packet.total_length, LIMITS[version])
    read = error_of(error)
    assert read is not None
    assert read.length == packet.total_length
    assert read.about is not None
    assert packet.payload.startswith(read.about.payload)
    assert replace(read.about, payload=packet.payload) == packet


def icmp_about(version: str, first: int) -> Packet:
    packet = PACKETS[version]
    return replace(packet, protocol=1 if version == "4" else 58, payload=bytes((first,)) + bytes(9))


def later(packet: Packet) -> Packet:
    return fragment(replace(packet, payload=bytes(3000)), 1280)[1]


NEVER = {
    **{f"ICMP error {one}": icmp_about("4", one) for one in (3, 4, 5, 11, 12)},
    **{f"ICMPv6 error {one}": icmp_about("6", one) for one in (1, 2, 3, 4, 100, 127, 137)},
    "an ICMP message without octets": replace(icmp_about("4", 8), payload=b""),
    "a later fragment of IPv4": later(PACKETS["4"]),
    "to a group": replace(PACKETS["4"], destination=IPv4Address("224.0.0.1")),
    "to all": replace(PACKETS["4"], destination=IPv4Address("255.255.255.255")),
    "to a group of IPv6": replace(PACKETS["6"], destination=IPv6Address("ff02::1")),
    "from nobody": replace(PACKETS["4"], source=IPv4Address("0.0.0.0")),  # noqa: S104
    "from a group": replace(PACKETS["4"], source=IPv4Address("224.0.0.1")),
    "from class E": replace(PACKETS["4"], source=IPv4Address("240.0.0.1")),
    "from nobody of IPv6": replace(PACKETS["6"], source=IPv6Address("::")),
    "from a group of IPv6": replace(PACKETS["6"], source=IPv6Address("ff02::1")),
}
STILL = {
    "echo": icmp_about("4", 8),
    "echo of ICMPv6": icmp_about("6", 128),
    "a first fragment": fragment(replace(PACKETS["4"], payload=bytes(3000)), 1280)[0],
    "a later fragment of IPv6": later(PACKETS["6"]),
    "a later fragment of ICMPv6": later(icmp_about("6", 128)),
}


@pytest.mark.parametrize("packet", NEVER.values(), ids=NEVER)
def test_no_error_is_told(packet: Packet) -> None:
    """RFC 1122 3.2.2, RFC 4443 2.4: or errors would breed errors, or reach many."""
    assert told(packet, TIME) is None


@pytest.mark.parametrize("packet", STILL.values(), ids=STILL)
def test_an_error_is_told(packet: Packet) -> None:
    assert told(packet, TIME) is not None


def test_a_group_is_told_of_its_path() -> None:
    """RFC 4443 2.4 e.3: path MTU discovery works for multicast in IPv6."""
    packet = NEVER["to a group of IPv6"]
    assert told(packet, TOO_BIG, mtu=1280) is not None


@both
def test_every_truncation_of_the_quote(version: str) -> None:
    """Some routers quote eight octets; what is too short for the headers is about nothing."""
    packet = PACKETS[version]
    error = told(packet, TOO_BIG, mtu=1400)
    assert error is not None
    header = packet.total_length - len(packet.payload)
    for size in range(len(packet.build())):
        cut = carrying(error.payload[: 8 + size], ROUTERS[version], packet.source)
        read = error_of(cut)
        assert read is not None
        about = read.about
        expected = replace(packet, payload=packet.payload[: size - header])
        assert about == (expected if size >= header else None)


@given(st.binary(max_size=100), st.sampled_from([(3, 4), (3, 1), (11, 0), (1, 0), (2, 0)]))
def test_noise_is_quoted_without_harm(noise: bytes, start: tuple[int, int]) -> None:
    for ends in (FOUR, SIX):
        read = error_of(carrying(bytes((*start, 0, 0, 0, 0, 5, 120)) + noise, *ends))
        assert read is None or read.length >= 0
        assert read is None or read.about is None or read.about.build()


NO_ERROR = {
    "echo": IcmpEcho(IcmpType.ECHO, 1, 1, b"").between(*FOUR),
    "redirect": carrying(b"\5" + bytes(40), *FOUR),
    "parameter problem": carrying(b"\4" + bytes(40), *SIX),
    "short": Ipv4Packet(*FOUR, 1, bytes(7)),
    "checksum": Ipv4Packet(*FOUR, 1, b"\3\4" + bytes(40)),
    "udp": Ipv4Packet(*FOUR, 17, b"\3\4" + bytes(40)),
}


@pytest.mark.parametrize("packet", NO_ERROR.values(), ids=NO_ERROR)
def test_what_is_no_error(packet: Packet) -> None:
    assert error_of(packet) is None


def test_extension_headers_in_the_quote() -> None:
    header = ExtensionHeader(0, bytes.fromhex("00010400000000"))
    packet = replace(PACKETS["6"], headers=(header,))
    error = told(packet, TOO_BIG, mtu=1400)
    assert error is not None
    read = error_of(error)
    assert read is not None
    assert read.about == packet


# The TTL.


@both
@pytest.mark.parametrize("ttl", [255, 64, 2])
def test_forwarding_takes_one_hop(version: str, ttl: int) -> None:
    """RFC 4301 5.1.2.1, note 2; and nothing else."""
    packet = replace(PACKETS[version], ttl=ttl)
    assert forward(packet, ROUTERS[version]) == Forwarded(replace(packet, ttl=ttl - 1))


@both
@pytest.mark.parametrize("ttl", [1, 0])
def test_the_last_hop(version: str, ttl: int) -> None:
    """RFC 792, RFC 4443 3.3: time exceeded in transit, told to the source."""
    packet = replace(PACKETS[version], ttl=ttl)
    onward, error = forward(packet, ROUTERS[version])
    assert (onward, error) == (None, told(packet, TIME))
    assert error is not None
    read = error_of(error)
    assert read is not None
    assert (read.kind, read.code, read.about) == (TIME, 0, packet)


def test_the_last_hop_of_an_error() -> None:
    assert forward(icmp_about("4", 11), ROUTERS["4"]) == Forwarded(None, None)
