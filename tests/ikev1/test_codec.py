"""The codec: what is written is what the RFC draws, and what is no message is a DecodeError."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.ikev1.attributes import PHASE_1, PHASE_2, Attribute, describe, encode, name_of
from conformance.ikev1.buffer import Reader, Writer
from conformance.ikev1.constants import (
    Doi,
    ExchangeType,
    IdType,
    NotifyType,
    PayloadType,
    Protocol,
)
from conformance.ikev1.describe import describe_payload, describe_value
from conformance.ikev1.errors import DecodeError
from conformance.ikev1.message import (
    CipherState,
    Header,
    parse_header,
    parse_message,
    write_body,
    write_chain,
    write_datagram,
)
from conformance.ikev1.payloads import (
    Delete,
    Hash,
    Identification,
    KeyExchange,
    Nonce,
    Notification,
    OpaquePayload,
    Payload,
    Proposal,
    SecurityAssociation,
    Transform,
    VendorId,
    parse_payload,
)

AES = Attribute(1, b"\x00\x07", basic=True)
LIFE = Attribute(12, b"\x00\x00\x70\x80", basic=False)
SHORT_LIFE = Attribute(12, b"\x70\x80", basic=True)
TRANSFORM = Transform(1, 1, (AES, LIFE))
SA = SecurityAssociation((Proposal(1, Protocol.ISAKMP, b"", (TRANSFORM,)),))

# payload, its body in hex, its line in a transcript
PAYLOADS: list[tuple[Payload, str, str]] = [
    (
        SA,
        "00000001 00000001 0000001c 01010001 00000014 01010000 80010007 000c0004 00007080",
        (
            "SA proposal 1 ISAKMP [transform 1 id 1: encryption algorithm 7 (AES-CBC),"
            " life duration 28800]"
        ),
    ),
    (KeyExchange(b"\1\2"), "0102", "KE (2 octets)"),
    (Nonce(b"\3"), "03", "NONCE (1 octets)"),
    (Hash(b"\4"), "04", "HASH (1 octets)"),
    (VendorId(b"\xaf\xca"), "afca", "VID afca"),
    (Identification.ipv4_addr("192.0.2.1"), "01000000 c0000201", "ID IPV4-ADDR 192.0.2.1"),
    (
        Identification.ipv4_addr("192.0.2.1", 17, 500),
        "011101f4 c0000201",
        "ID IPV4-ADDR 192.0.2.1 protocol 17 port 500",
    ),
    (
        Identification.ipv4_subnet("198.51.100.0/24"),
        "04000000 c6336400 ffffff00",
        "ID IPV4-ADDR-SUBNET 198.51.100.0/24",
    ),
    (
        Identification(IdType.IPV4_ADDR_RANGE, bytes.fromhex("c0000201c0000203")),
        "07000000 c0000201 c0000203",
        "ID IPV4-ADDR-RANGE 192.0.2.1-192.0.2.3",
    ),
    (
        Identification.selector("2001:db8::/64"),
        "06000000 20010db8000000000000000000000000 ffffffffffffffff0000000000000000",
        "ID IPV6-ADDR-SUBNET 2001:db8::/64",
    ),
    (Identification.fqdn("a.example"), "02000000 612e6578616d706c65", "ID FQDN a.example"),
    (Identification.user_fqdn("u@a"), "03000000 754061", "ID USER-FQDN u@a"),
    (Identification.key_id(b"\xff"), "0b000000 ff", "ID KEY-ID ff"),
    (Identification(IdType.IPV4_ADDR, b"\1"), "01000000 01", "ID IPV4-ADDR 01"),
    (
        Notification(NotifyType.NO_PROPOSAL_CHOSEN, Protocol.ESP, b"\0\0\1\0", b"\xaa"),
        "00000001 0304000e 00000100 aa",
        "N NO-PROPOSAL-CHOSEN ESP SPI 00000100 data aa",
    ),
    (
        Notification(NotifyType(9999), Protocol(77), doi=Doi.ISAKMP),
        "00000000 4d00270f",
        "N 9999 77",
    ),
    (
        Delete(Protocol.ESP, (b"\0\0\1\0", b"\0\0\1\1")),
        "00000001 03040002 00000100 00000101",
        "D ESP 00000100 00000101",
    ),
    (Delete(Protocol.ESP, ()), "00000001 03000000", "D ESP "),
    (OpaquePayload(PayloadType.NAT_D, b"\5"), "05", "NAT-D (1 octets)"),
    (OpaquePayload(PayloadType(99), b""), "", "99 (0 octets)"),
]
IDS = [f"{payload.payload_type.label}-{number}" for number, (payload, *_) in enumerate(PAYLOADS)]


@pytest.mark.parametrize(("payload", "body", "line"), PAYLOADS, ids=IDS)
def test_payload_bodies(payload: Payload, body: str, line: str) -> None:
    """Written as drawn, parsed back equal, described in one line."""
    assert write_body(payload) == bytes.fromhex(body)
    assert parse_payload(payload.payload_type, Reader(bytes.fromhex(body))) == payload
    assert describe_payload(payload) == line


@pytest.mark.parametrize(("payload", "body", "line"), PAYLOADS, ids=IDS)
def test_every_truncation_of_a_structured_body(payload: Payload, body: str, line: str) -> None:
    """A prefix is a DecodeError, or another payload, but never the same one."""
    del line
    data = bytes.fromhex(body)
    for size in range(len(data)):
        try:
            parsed = parse_payload(payload.payload_type, Reader(data[:size]))
        except DecodeError:
            continue
        assert parsed != payload


SA_HEAD = "00000001 00000001"
BROKEN: list[tuple[str, PayloadType, str, str]] = [
    ("no proposal", PayloadType.SA, SA_HEAD, "octets wanted"),
    ("proposal too short", PayloadType.SA, SA_HEAD + "00000003", "shorter than the generic"),
    ("proposal beyond the end", PayloadType.SA, SA_HEAD + "000000ff 01010000", "wanted"),
    ("octets after the proposal", PayloadType.SA, SA_HEAD + "00000008 01010000 00", "left over"),
    ("KE among proposals", PayloadType.SA, SA_HEAD + "04000008 01010000", "KE among proposals"),
    ("reserved octet", PayloadType.SA, SA_HEAD + "00010008 01010000", "reserved octet"),
    ("a transform missing", PayloadType.SA, SA_HEAD + "00000008 01010001", "1 transforms"),
    (
        "KE among transforms",
        PayloadType.SA,
        SA_HEAD + "00000010 01010001 04000008 01010000",
        "KE among transforms",
    ),
    (
        "half an attribute",
        PayloadType.SA,
        SA_HEAD + "00000012 01010001 0000000a 01010000 8001",
        "2 octets wanted, 0 there",
    ),
    ("SPIs missing", PayloadType.D, "00000001 03040002 00000100", "8 octets wanted"),
    ("SPIs of no size", PayloadType.D, "00000001 0300ffff", "SPIs of no octets"),
    ("octets after the SPIs", PayloadType.N, "00000001 03ff000e", "255 octets wanted"),
    ("no ID type", PayloadType.ID, "", "1 octets wanted"),
]


@pytest.mark.parametrize(
    ("payload_type", "body", "reason"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_broken_bodies(payload_type: PayloadType, body: str, reason: str) -> None:
    data = bytes.fromhex(body)
    with (
        pytest.raises(DecodeError, match=reason),
        Reader(data).block(len(data)) as reader,
    ):
        parse_payload(payload_type, reader)


@pytest.mark.parametrize(
    ("doi", "situation"), [(2, 1), (0, 0), (1, 3)], ids=["gdoi", "isakmp", "secrecy"]
)
def test_unknown_doi_or_situation_is_kept_unread(doi: int, situation: int) -> None:
    body = doi.to_bytes(4) + situation.to_bytes(4) + b"\1\2\3"
    sa = parse_payload(PayloadType.SA, Reader(body))
    assert sa == SecurityAssociation((), Doi(doi), situation, b"\1\2\3")
    assert write_body(sa) == body


@pytest.mark.covers("attr1:12", by="self")
def test_attribute_form_is_kept_as_sent() -> None:
    """The same duration in both forms is told apart and written back as it came."""
    for attribute, data in ((LIFE, "000c000400007080"), (SHORT_LIFE, "800c7080")):
        assert Attribute.parse(Reader(bytes.fromhex(data))) == attribute
        writer = Writer()
        attribute.write(writer)
        assert writer.data.hex() == data
        assert attribute.number == 28800


def test_encoding_by_name() -> None:
    assert encode(PHASE_2, [("life type", 1), ("life duration", 70000)]) == (
        Attribute(1, b"\0\1", basic=True),
        Attribute(2, b"\0\1\x11\x70", basic=False),
    )
    with pytest.raises(KeyError):
        encode(PHASE_1, [("encapsulation mode", 1)])


def test_attributes_for_people() -> None:
    assert describe(PHASE_2, Attribute(4, b"\0\1", basic=True)) == "encapsulation mode tunnel"
    assert describe(PHASE_2, Attribute(99, b"\0\1", basic=True)) == "attribute 99 1"
    assert name_of(PHASE_1, 99) == "attribute 99"
    assert describe_value(PHASE_1, "hash algorithm", 4) == "4 (sha256)"
    assert describe_value(PHASE_2, "encapsulation mode", 2) == "2 (transport)"
    assert describe_value(PHASE_2, "encapsulation mode", 9) == "9"
    assert describe_value(PHASE_2, "attribute 99", 9) == "9"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Identification.selector("10.0.0.1/32"), Identification.ipv4_subnet("10.0.0.1/32"), True),
        (
            Identification.selector("10.0.0.0/24"),
            Identification(IdType.IPV4_ADDR_RANGE, bytes.fromhex("0a0000000a0000ff")),
            True,
        ),
        (Identification.selector("10.0.0.0/24"), Identification.selector("10.0.0.0/25"), False),
        (Identification.selector("10.0.0.1/32"), Identification.ipv4_addr("10.0.0.1", 6), False),
        (Identification.selector("::/0"), Identification.ipv4_subnet("0.0.0.0/0"), False),
        (Identification.selector("::1/128"), Identification.selector("::1/128"), True),
        (Identification.fqdn("a"), Identification.fqdn("a"), True),
        (Identification.fqdn("a"), Identification.selector("10.0.0.0/8"), False),
    ],
)
def test_selectors_are_compared_by_what_they_cover(
    one: Identification,
    other: Identification,
    same: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert one.covers_same(other) is same
    assert other.covers_same(one) is same


def test_unassigned_numbers_survive() -> None:
    """A number without a name keeps its value and its equality, and has a label."""
    number = NotifyType(40501)
    assert (number, number.label, number.is_error) == (40501, "40501", False)
    assert NotifyType.INVALID_COOKIE.is_error
    assert not NotifyType.CONNECTED.is_error
    assert NotifyType.R_U_THERE.label == "R-U-THERE"
    text: Any = "text"
    with pytest.raises(ValueError, match="text"):
        NotifyType(text)


HEADER = Header(b"\1" * 8, b"\2" * 8, ExchangeType.MAIN_MODE, 0, next_payload=PayloadType.KE)


@pytest.mark.covers("payload:KE", "payload:NONCE", by="self")
def test_chain_and_message() -> None:
    """Bodies, chain and what follows the first payload are kept as they stood on the wire."""
    payloads = (KeyExchange(b"\7" * 4), Nonce(b"\6" * 8))
    chain = write_chain(payloads)
    assert chain.hex() == "0a000008" + "07" * 4 + "0000000c" + "06" * 8
    data, state = write_datagram(HEADER, chain)
    assert state is None
    message, _ = parse_message(parse_header(data), data)
    assert message.payloads == payloads
    assert message.bodies == (b"\7" * 4, b"\6" * 8)
    assert message.after_first == chain[8:]
    assert message.body(PayloadType.NONCE) == b"\6" * 8
    assert not message.all(VendorId)
    assert write_chain(()) == b""


@pytest.mark.covers("feature:padding", "feature:iv-chain", by="self")
@pytest.mark.parametrize("cipher", ["aes128", "3des"])
def test_encryption_pads_with_zeros_and_chains(cipher: str) -> None:
    state = CipherState(cipher, bytes(range(24 if cipher == "3des" else 16)), b"")
    state = CipherState(cipher, state.key, bytes(state.block_size))
    data, after = write_datagram(HEADER, write_chain([KeyExchange(b"\7" * 5)]), state)
    assert after is not None
    assert after.iv == data[-state.block_size :]
    header = parse_header(data)
    message, read = parse_message(header, data, state)
    assert read == after
    assert message.padding == bytes(-9 % state.block_size)
    assert message.chain.hex() == "00000009" + "07" * 5
    assert str(state.key) not in repr(state)


@pytest.mark.covers("feature:padding", by="self")
@given(st.binary(max_size=48))
def test_padding_content_does_not_matter(padding: bytes) -> None:
    """Whatever fills the last block is ignored (RFC 2409 Appendix B)."""
    chain = write_chain([KeyExchange(b"\7" * 5)]) + padding
    chain += b"\x99" * (-len(chain) % 16)
    state = CipherState("aes128", bytes(16), bytes(16))
    data, _ = write_datagram(HEADER, chain, state)
    message, _ = parse_message(parse_header(data), data, state)
    assert message.payloads == (KeyExchange(b"\7" * 5),)


@pytest.mark.parametrize(
    ("flags", "body", "reason"),
    [
        (0, "00000009" + "07" * 5 + "00", "after the last payload"),
        (0, "00000003", "shorter than the generic"),
        (0, "0a000004", "octets wanted"),
        (1, "00" * 16, "before there is a key"),
    ],
)
def test_broken_messages(flags: int, body: str, reason: str) -> None:
    header = replace(HEADER, flags=flags)
    data, _ = write_datagram(header, bytes.fromhex(body))
    with pytest.raises(DecodeError, match=reason):
        parse_message(parse_header(data), data)


@pytest.mark.parametrize(
    ("version", "notify"),
    [
        (0x00, NotifyType.INVALID_MAJOR_VERSION),
        (0x11, NotifyType.INVALID_MINOR_VERSION),
        (0x1F, NotifyType.INVALID_MINOR_VERSION),
        (0x20, NotifyType.INVALID_MAJOR_VERSION),
    ],
)
def test_other_versions_than_1_0(version: int, notify: NotifyType) -> None:
    """RFC 2408 3.1: no packet with a larger minor version should be accepted either."""
    data, _ = write_datagram(HEADER, b"")
    assert parse_header(data).version == 0x10
    with pytest.raises(DecodeError) as caught:
        parse_header(data[:17] + bytes([version]) + data[18:])
    assert caught.value.notify is notify


@pytest.mark.parametrize("size", [0, 1, 15, 17])
def test_half_blocks(size: int) -> None:
    with pytest.raises(DecodeError, match="whole blocks") as caught:
        CipherState("aes128", bytes(16), bytes(16)).decrypt(bytes(size))
    assert caught.value.notify is NotifyType.UNEQUAL_PAYLOAD_LENGTHS


@pytest.mark.covers("feature:hostile-input", by="self")
@given(st.binary(max_size=300), st.integers(0, 255))
def test_no_octets_raise_anything_but_decode_error(data: bytes, first: int) -> None:
    """Any body behind any next-payload number."""
    header = Header(b"\1" * 8, b"\2" * 8, ExchangeType.BASE, next_payload=PayloadType(first))
    datagram, _ = write_datagram(header, data)
    try:
        message, _ = parse_message(parse_header(datagram), datagram)
    except DecodeError:
        return
    assert message.chain == data
    assert all(describe_payload(payload) for payload in message.payloads)


@pytest.mark.covers("feature:padding", by="self")
@pytest.mark.parametrize(
    ("payload", "padding", "fits"),
    [(5, 3, True), (6, 2, True), (7, 1, True), (8, 0, True), (5, 2, False), (8, 4, False)],
)
def test_a_message_in_the_clear_may_be_padded_to_four_octets(
    payload: int, padding: int, *, fits: bool
) -> None:
    """Up to three octets that align the message, and no others (RFC 2408 3.6); pluto sends them."""
    header = Header(b"i" * 8, b"r" * 8, ExchangeType.MAIN_MODE, next_payload=PayloadType.VID)
    chain = write_chain([VendorId(bytes(payload))])
    data, _ = write_datagram(header, chain + bytes(padding))
    if fits:
        assert parse_message(parse_header(data), data)[0].chain == chain
    else:
        with pytest.raises(DecodeError, match="after the last payload"):
            parse_message(parse_header(data), data)
