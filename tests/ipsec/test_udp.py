"""ESP in UDP: the header, the marker, keepalives, and checksums behind NATs (RFC 3948)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP

from conformance.ipsec.drops import DropReason
from conformance.ipsec.engine import Accepted, AuditEvent
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.ip6 import Ipv6Packet
from conformance.ipsec.sad import Selector, UdpEncapsulation
from conformance.ipsec.udp import KEEPALIVE, NON_ESP_MARKER, kind_of, mend_checksum

if TYPE_CHECKING:
    from conftest import MakeInner, MakePair

ALICE, BOB = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
PRIVATE, OUTSIDE = IPv4Address("10.0.0.5"), IPv4Address("203.0.113.7")
MODES = ("tunnel", "transport")
IN_UDP: dict[str, Any] = {"protocol": 50, "udp": UdpEncapsulation()}

pytestmark = pytest.mark.covers("encap:3", "encap:4", "natt:esp-in-udp", by="self")


@pytest.mark.parametrize("ports", [(4500, 4500), (4500, 61234)], ids=str)
@pytest.mark.parametrize("compressed", [False, True], ids=["esp", "esp+ipcomp"])
@pytest.mark.parametrize("mode", MODES)
def test_packets_pass(
    mode: str, ports: tuple[int, int], make_pair: MakePair, make_inner: MakeInner, *,
    compressed: bool,
) -> None:  # fmt: skip
    """As a whole packet and as the datagram of a socket; the checksum is zero."""
    esp: dict[str, Any] = {"protocol": 50, "udp": UdpEncapsulation(*ports)}
    within: list[dict[str, Any]] = [{"protocol": 108}] if compressed else []
    pair, inner = make_pair(esp, *within, mode=mode), make_inner(mode, b"again " * 60)
    sent = pair.sent(inner)
    outer = Ipv4Packet.parse(sent.wire)
    length = len(outer.payload).to_bytes(2)
    assert outer.protocol == 17
    assert outer.payload[:8] == ports[0].to_bytes(2) + ports[1].to_bytes(2) + length + bytes(2)
    assert outer.payload[8:] == sent.datagram
    accepted = pair.bob.inbound(sent.wire)
    assert accepted == Accepted(inner, pair.into, (ALICE, ports[0]))
    second = pair.sent(inner).datagram
    assert second is not None
    received = pair.bob.inbound_datagram(second, (ALICE, 777), BOB)
    assert isinstance(received, Accepted)
    assert received.udp_source == (ALICE, 777)
    assert received.inner.payload == inner.payload


@pytest.mark.covers("natt:keepalive", by="self")
@pytest.mark.parametrize(
    ("datagram", "kind"),
    [
        (KEEPALIVE, "keepalive"),
        (NON_ESP_MARKER + b"ike", "ike"),
        (NON_ESP_MARKER, "ike"),
        (b"\xff\xff", "esp"),
        (b"\0\0\0\1", "esp"),
        (b"\0\0\0", "esp"),
        (b"", "esp"),
    ],
)
def test_kinds_of_datagrams(datagram: bytes, kind: str, make_pair: MakePair) -> None:
    """RFC 3948 2.2, 2.3: what is no ESP is told apart, and dropped if it comes here."""
    assert kind_of(datagram) == kind
    pair = make_pair(IN_UDP)
    event = pair.bob.inbound_datagram(datagram, (ALICE, 4500), BOB)
    assert isinstance(event, AuditEvent)
    known = {DropReason.IN_HEADER, DropReason.IN_NO_STATE}
    assert event.reason in ({DropReason.IN_KEEPALIVE} if kind != "esp" else known)
    header = b"\x11\x94\x11\x94" + (8 + len(datagram)).to_bytes(2) + b"\0\0"
    assert pair.reason(Ipv4Packet(ALICE, BOB, 17, header + datagram).build()) is event.reason


@pytest.mark.parametrize("length", [0, 7, 9999])
def test_wrong_udp_lengths(length: int, make_pair: MakePair, make_inner: MakeInner) -> None:
    pair = make_pair(IN_UDP)
    outer = Ipv4Packet.parse(pair.wire(make_inner("tunnel")))
    payload = outer.payload[:4] + length.to_bytes(2) + outer.payload[6:]
    assert pair.reason(replace(outer, payload=payload).build()) is DropReason.IN_HEADER
    for size in range(8):
        short = replace(outer, payload=outer.payload[:size]).build()
        assert pair.reason(short) is DropReason.IN_HEADER
    assert pair.reason(replace(outer, flags=1).build()) is DropReason.IN_FRAGMENT


@pytest.mark.parametrize("mode", MODES)
def test_udp_where_agreed_and_nowhere_else(
    mode: str, make_pair: MakePair, make_inner: MakeInner
) -> None:
    inner = make_inner(mode)
    encapsulated, plain = make_pair(IN_UDP, mode=mode), make_pair({"protocol": 50}, mode=mode)
    assert plain.reason(encapsulated.wire(inner)) is DropReason.IN_ENCAPSULATION
    assert encapsulated.reason(plain.wire(inner)) is DropReason.IN_ENCAPSULATION


def test_udp_over_ipv6_fits_no_sa(make_pair: MakePair) -> None:
    """RFC 3948 defines nothing there: ESP in it is dropped, whether or not its SPI is known."""
    ends = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
    there = dict(zip(("source", "destination"), ends, strict=True))
    selector = Selector(*map(IPv6Network, ends))
    pair = make_pair({"protocol": 50}, mode="transport", selector=selector, **there)
    sent = pair.sent(Ipv6Packet(*ends, 253, b"ping")).wire
    for datagram, reason in (
        (sent[40:], DropReason.IN_ENCAPSULATION),
        (b"\1" + sent[41:], DropReason.IN_NO_STATE),
        (NON_ESP_MARKER, DropReason.IN_KEEPALIVE),
    ):
        event = pair.bob.inbound_datagram(datagram, (ends[0], 4500), ends[1])
        assert isinstance(event, AuditEvent)
        assert (event.reason, event.source) == (reason, ends[0])


def test_the_socket_sees_what_a_nat_chose(make_pair: MakePair, make_inner: MakeInner) -> None:
    """RFC 3947 4: the mapping may change at any time, and the SA is found all the same."""
    pair, inner = make_pair(IN_UDP), make_inner("tunnel")
    for source in ((OUTSIDE, 4500), (OUTSIDE, 1025)):
        datagram = pair.sent(inner).datagram
        assert datagram is not None
        accepted = pair.bob.inbound_datagram(datagram, source, BOB)
        assert isinstance(accepted, Accepted)
        assert (accepted.inner, accepted.udp_source) == (inner, source)


def datagram_of(kind: type[TCP | UDP], payload: bytes, *ends: IPv4Address) -> Ipv4Packet:
    source, destination = map(str, ends)
    return Ipv4Packet.parse(bytes(IP(src=source, dst=destination) / kind() / payload))


ADDRESSES = st.tuples(*[st.ip_addresses(v=4)] * 4)


@pytest.mark.parametrize("kind", [TCP, UDP])
@given(st.binary(max_size=60), ADDRESSES)
def test_checksums_are_mended(
    kind: type[TCP | UDP], payload: bytes, addresses: tuple[IPv4Address, ...]
) -> None:
    """What comes out is what scapy computes for the addresses as received."""
    source, destination, *seen = addresses
    sent = datagram_of(kind, payload, source, destination)
    at = 16 if kind is TCP else 6
    assume(sent.payload[at : at + 2] != bytes(2))  # which means something else in UDP
    translated = replace(sent, source=seen[0], destination=seen[1])
    udp = UdpEncapsulation(original_source=source, original_destination=destination)
    expected = datagram_of(kind, payload, *seen).payload
    mended = mend_checksum(translated, udp).payload
    assert mended[:at] + mended[at + 2 :] == expected[:at] + expected[at + 2 :]
    # Zero has two forms in one's complement, and a receiver takes either.
    assert (
        int.from_bytes(mended[at : at + 2]) % 0xFFFF
        == int.from_bytes(expected[at : at + 2]) % 0xFFFF
    )


@pytest.mark.parametrize("kind", [TCP, UDP])
@given(st.binary(max_size=60), ADDRESSES)
def test_checksums_are_recomputed(
    kind: type[TCP | UDP], payload: bytes, addresses: tuple[IPv4Address, ...]
) -> None:
    """RFC 3948 3.1.2, the second way: without NAT-OA, to the octet what scapy computes."""
    source, destination, *seen = addresses
    sent = datagram_of(kind, payload, source, destination)
    assume(kind is TCP or sent.payload[6:8] != bytes(2))
    translated = replace(sent, source=seen[0], destination=seen[1])
    mended = mend_checksum(translated, UdpEncapsulation(), "recomputed")
    assert mended.payload == datagram_of(kind, payload, *seen).payload


def test_checksums_are_omitted() -> None:
    """RFC 3948 3.1.2, the third way: zero in UDP; in TCP, which cannot, the second."""
    for kind, expected in ((UDP, bytes(2)), (TCP, None)):
        sent = datagram_of(kind, b"data", PRIVATE, BOB)
        whole = datagram_of(kind, b"data", OUTSIDE, BOB)
        mended = mend_checksum(replace(sent, source=OUTSIDE), UdpEncapsulation(), "omitted")
        at = 6 if kind is UDP else 16
        assert mended.payload[at : at + 2] == (expected or whole.payload[at : at + 2])
        assert mended.payload[:at] + mended.payload[at + 2 :] == (
            whole.payload[:at] + whole.payload[at + 2 :]
        )


def test_udp_says_how_long_it_is() -> None:
    """What stands behind its length is no part of it, and of no checksum (RFC 768)."""
    sent = datagram_of(UDP, b"data", PRIVATE, BOB)
    longer = replace(sent, source=OUTSIDE, payload=sent.payload + b"behind")
    mended = mend_checksum(longer, UdpEncapsulation(), "recomputed")
    assert mended.payload == datagram_of(UDP, b"data", OUTSIDE, BOB).payload + b"behind"


def test_a_checksum_of_zero_is_written_as_ones() -> None:
    """RFC 768: zero says that there is no checksum; the NAT's address is chosen to make it so."""
    sent = datagram_of(UDP, b"data", PRIVATE, BOB)
    low = int(PRIVATE) % 0x10000 + int.from_bytes(sent.payload[6:8])
    seen = IPv4Address((int(PRIVATE) >> 16 << 16) + low % 0xFFFF)
    translated = replace(sent, source=seen)
    mended = mend_checksum(translated, UdpEncapsulation(original_source=PRIVATE))
    assert mended.payload[6:8] == b"\xff\xff"
    assert mended.payload == datagram_of(UDP, b"data", seen, BOB).payload


@pytest.mark.parametrize("kind", [TCP, UDP])
def test_a_wrong_checksum_stays_wrong(kind: type[TCP | UDP]) -> None:
    sent = datagram_of(kind, b"data", PRIVATE, BOB)
    damaged = replace(sent, source=OUTSIDE, payload=sent.payload[:-1] + b"X")
    mended = mend_checksum(damaged, UdpEncapsulation(original_source=PRIVATE))
    right = datagram_of(kind, b"datX", OUTSIDE, BOB)
    assert mended.payload != right.payload


UNTOUCHED = {
    "no checksum": Ipv4Packet(OUTSIDE, BOB, 17, bytes(8)),
    "too short": Ipv4Packet(OUTSIDE, BOB, 6, bytes(range(17))),
    "another protocol": Ipv4Packet(OUTSIDE, BOB, 1, bytes(range(40))),
    "a first fragment": Ipv4Packet(OUTSIDE, BOB, 6, bytes(range(40)), flags=1),
    "a later fragment": Ipv4Packet(OUTSIDE, BOB, 6, bytes(range(40)), fragment_offset=3),
}


@pytest.mark.parametrize("repair", ["incremental", "recomputed", "omitted"])
@pytest.mark.parametrize("packet", UNTOUCHED.values(), ids=UNTOUCHED)
def test_what_has_no_checksum_is_left_alone(packet: Ipv4Packet, repair: Any) -> None:
    assert mend_checksum(packet, UdpEncapsulation(original_source=PRIVATE), repair) == packet


@pytest.mark.covers("natt:nat-oa", by="self")
@pytest.mark.parametrize("kind", [TCP, UDP])
def test_transport_mode_through_a_nat(kind: type[TCP | UDP], make_pair: MakePair) -> None:
    """Alice at 10.0.0.5 is 203.0.113.7 to Bob, who gets whole packets from there."""
    original = UdpEncapsulation(original_source=PRIVATE, original_destination=BOB)
    pair = make_pair(
        {"protocol": 50, "udp": original},
        mode="transport",
        source=PRIVATE,
        selector=Selector(destination=IPv4Network(BOB)),
    )
    sent = pair.sent(datagram_of(kind, b"data", PRIVATE, BOB))
    assert sent.datagram is not None
    accepted = pair.bob.inbound_datagram(sent.datagram, (OUTSIDE, 2222), BOB)
    assert isinstance(accepted, Accepted)
    assert accepted.inner.payload == datagram_of(kind, b"data", OUTSIDE, BOB).payload
    assert accepted.inner.source == OUTSIDE
