"""The cursor's chains, the attribute lists that it remembers, and lines that are made when read."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conformance.ikev1.attributes import Attribute, read_attributes
from conformance.ikev1.buffer import Layout, Reader, Writer
from conformance.ikev1.constants import ConfigurationType, PayloadType
from conformance.ikev1.describe import Lines
from conformance.ikev1.errors import DecodeError
from conformance.ikev1.payloads import Configuration, Hash, Nonce, Transform

BASIC = Attribute(1, b"\0\7", basic=True)
VARIABLE = Attribute(12, b"\0\0\x70\x80", basic=False)


def one_by_one(octets: bytes) -> tuple[Attribute, ...]:
    """What read_attributes must give, however it does it."""
    reader, attributes = Reader(octets), []
    while reader.remaining:
        attributes.append(Attribute.parse(reader))
    return tuple(attributes)


@given(st.binary(max_size=40))
@example(b"")
@example(bytes.fromhex("80010007 800c7080"))
@example(bytes.fromhex("80010007 000c0004 00007080"))
@example(bytes.fromhex("00010004 80020002"))
@example(bytes.fromhex("80010007 8002"))
@example(bytes.fromhex("80010007 00020005 01020304"))
def test_an_attribute_list_is_its_attributes_one_by_one(octets: bytes) -> None:
    """The same attributes or the same error, the first time and the second."""
    for _ in range(2):
        try:
            expected = one_by_one(octets)
        except DecodeError as error:
            with pytest.raises(DecodeError, match=error.reason):
                read_attributes(Reader(octets))
            continue
        reader = Reader(octets)
        assert read_attributes(reader) == expected
        assert not reader.remaining


@given(st.lists(st.sampled_from([BASIC, VARIABLE]), max_size=6))
def test_a_transform_is_written_as_it_was_read(attributes: list[Attribute]) -> None:
    transform, writer = Transform(3, 1, tuple(attributes), 0x1234), Writer()
    transform.write(writer)
    assert Transform.parse(Reader(writer.data)) == transform


def read(data: str, first: PayloadType, only: str = "") -> list[tuple[PayloadType, str]]:
    reader = Reader(bytes.fromhex(data))
    return [(kind, reader.rest().hex()) for kind in reader.chain(first, only)]


def test_a_chain_confines_reading_to_each_body() -> None:
    assert read("0a000006 aabb 00000004", PayloadType.HASH) == [
        (PayloadType.HASH, "aabb"),
        (PayloadType.NONCE, ""),
    ]
    assert read("ffff", PayloadType.NONE) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("0a0000", "4 octets wanted, 3 there"),
        ("0a000004", "4 octets wanted, 0 there"),
        ("00010004", "reserved octet of a generic header is 1"),
        ("00000003", "payload length 3 is shorter than the generic header"),
        ("00000007 0000", "3 octets wanted, 2 there"),
        ("0a000004 00000004", "payload NONCE among hashes"),
    ],
)
def test_broken_chains(data: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        read(data, PayloadType.HASH, "hashes" if "among" in reason else "")


def test_a_body_must_be_read_whole() -> None:
    reader = Reader(bytes.fromhex("00000006 aabb"))
    chain = reader.chain(PayloadType.HASH)
    next(chain)
    reader.u8()
    with pytest.raises(DecodeError, match="1 octets left over"):
        next(chain)


def test_an_inner_chain_ends_with_its_body() -> None:
    """What follows the outer body does not belong to the inner chain."""
    reader = Reader(bytes.fromhex("00000008 0000000a ffffffffffff"))
    next(reader.chain(PayloadType.P))
    with pytest.raises(DecodeError, match="6 octets wanted, 0 there"):
        next(reader.chain(PayloadType.T))


@pytest.mark.parametrize("size", range(7))
def test_a_layout_needs_all_its_octets(size: int) -> None:
    with pytest.raises(DecodeError, match=f"7 octets wanted, {size} there"):
        Reader(bytes(size) + bytes(9), end=size).fields(Layout("BHI"))


@pytest.mark.parametrize(
    ("data", "words"),
    [("", ()), ("00000001 80000000", (1, 0x80000000)), ("00000001 80", ()), ("800000", ())],
)
def test_words(data: str, words: tuple[int, ...]) -> None:
    """All or none, and left unread."""
    reader = Reader(bytes.fromhex("ff" + data), 1)
    assert reader.words() == words
    assert reader.remaining == len(bytes.fromhex(data))


def test_lines_are_a_sequence_of_text() -> None:
    lines = Lines((Hash(b"\1\2"), Nonce(bytes(8))))
    text = ("HASH (2 octets)", "NONCE (8 octets)")
    assert lines == text
    assert lines == Lines((Hash(b"\3\4"), Nonce(bytes(range(8)))))
    assert lines != Lines((Hash(b"\1\2"),))
    assert (lines[1], lines[:1], len(lines)) == (text[1], text[:1], 2)
    assert (repr(lines), hash(lines)) == (repr(text), hash(text))


def test_lines_show_no_password() -> None:
    password = Attribute(16522, b"hunter2", basic=False)
    lines = Lines((Configuration(ConfigurationType.REPLY, 7, (password,)),))
    assert "hunter2" not in repr(lines)
