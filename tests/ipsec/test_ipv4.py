"""IPv4 headers and ICMP echo: known octets, every truncation, every flipped byte."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.ipsec.icmp import IcmpEcho, IcmpType, answer_to, echo_of
from conformance.ipsec.ip import Ipv4Packet, MalformedPacketError, checksum

# The ping of RFC 3602 section 4, case 6, before encryption.
PING = bytes.fromhex(
    "4500003008fe00004001fa16c0a87b03c0a87b64"
    "0800b5e8a80a0500a69c083d0b660e00777777777777777777777777"
)

CHECKSUMS = [
    ("", 0xFFFF),
    ("0001f203f4f5f6f7", 0x220D),  # RFC 1071 section 3: the sum is ddf2
    ("0001f203f4f5f6f70a", 0x180D),  # an odd octet counts as the high half of a word
]


@pytest.mark.parametrize(("data", "expected"), CHECKSUMS)
def test_checksum(data: str, expected: int) -> None:
    assert checksum(bytes.fromhex(data)) == expected


def test_parse_names_every_field() -> None:
    packet = Ipv4Packet.parse(PING)
    assert packet == Ipv4Packet(
        IPv4Address("192.168.123.3"),
        IPv4Address("192.168.123.100"),
        1,
        PING[20:],
        ttl=64,
        identification=0x08FE,
    )
    assert packet.build() == PING


packets = st.builds(
    Ipv4Packet,
    source=st.ip_addresses(v=4),
    destination=st.ip_addresses(v=4),
    protocol=st.integers(0, 255),
    payload=st.binary(max_size=64),
    ttl=st.integers(0, 255),
    identification=st.integers(0, 0xFFFF),
    tos=st.integers(0, 255),
    flags=st.integers(0, 7),
    fragment_offset=st.integers(0, 0x1FFF),
    options=st.integers(0, 10).flatmap(
        lambda words: st.binary(min_size=4 * words, max_size=4 * words)
    ),
)


@given(packets, st.binary(max_size=8))
def test_what_was_built_parses_back(packet: Ipv4Packet, trailer: bytes) -> None:
    """Whatever follows the total length is link padding and left out."""
    assert Ipv4Packet.parse(packet.build() + trailer) == packet


@given(packets)
def test_flipping_any_bit_of_the_header_is_seen(packet: Ipv4Packet) -> None:
    built = packet.build()
    for bit in range(8 * (20 + len(packet.options))):
        flipped = bytearray(built)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(MalformedPacketError):
            Ipv4Packet.parse(bytes(flipped))


@pytest.mark.parametrize("size", range(len(PING)))
def test_truncations_are_malformed(size: int) -> None:
    with pytest.raises(MalformedPacketError):
        Ipv4Packet.parse(PING[:size])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"payload": bytes(65516)}, "total length 65536"),
        ({"options": b"\1"}, "header of 21 octets"),
        ({"options": bytes(44)}, "header of 64 octets"),
    ],
)
def test_what_fits_no_header_is_not_built(changes: dict[str, bytes], complaint: str) -> None:
    with pytest.raises(MalformedPacketError, match=complaint):
        replace(Ipv4Packet.parse(PING), **changes).build()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flags", "offset", "expected"), [(0, 0, False), (0b010, 0, False), (1, 0, True), (0, 1, True)]
)
def test_is_fragment(flags: int, offset: int, *, expected: bool) -> None:
    packet = replace(Ipv4Packet.parse(PING), flags=flags, fragment_offset=offset)
    assert packet.is_fragment is expected


def test_echo_is_answered() -> None:
    """The reply swaps the addresses and keeps identifier, sequence and data (RFC 792)."""
    answer = answer_to(Ipv4Packet.parse(PING))
    assert answer is not None
    assert (str(answer.source), str(answer.destination)) == ("192.168.123.100", "192.168.123.3")
    data = bytes.fromhex("a69c083d0b660e00") + b"w" * 12
    assert echo_of(answer) == IcmpEcho(IcmpType.ECHO_REPLY, 0xA80A, 0x0500, data)
    assert answer_to(answer) is None


@pytest.mark.parametrize(
    "payload",
    [b"", PING[20:27], b"\x08\x01" + PING[22:], b"\x03" + PING[21:], PING[20:-1] + b"x"],
    ids=["empty", "short", "code", "type", "checksum"],
)
def test_what_is_no_echo_is_not_answered(payload: bytes) -> None:
    assert answer_to(replace(Ipv4Packet.parse(PING), payload=payload)) is None


def test_fragments_of_an_echo_are_not_answered() -> None:
    assert answer_to(replace(Ipv4Packet.parse(PING), flags=1)) is None
