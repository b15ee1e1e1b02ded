"""IPComp: what is compressed, what is left as it is, and what is no DEFLATE."""

from __future__ import annotations

import tracemalloc
import zlib
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.crypto.random import seeded_random
from conformance.ipsec.drops import DropReason
from conformance.ipsec.engine import AuditEvent
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.ipcomp import COMPRESSION
from conformance.ipsec.protection import decapsulate, encapsulate

if TYPE_CHECKING:
    from conftest import MakeInner, MakePair, MakeSa

ALICE, BOB = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
IPCOMP: dict[str, Any] = {"protocol": 108}
COMPRESSIBLE = b"again and " * 60

pytestmark = pytest.mark.covers("ipcomp:2", by="self")


def inflate(packed: bytes) -> bytes:
    return zlib.decompress(packed, -15)


def test_the_header_and_the_stream(make_sa: MakeSa, make_inner: MakeInner) -> None:
    """RFC 3173 3: the protocol moves into the header, behind it raw DEFLATE (RFC 2394 2.1)."""
    sa, inner = make_sa(protocol=108, mode="transport", spi=0x6C6C), make_inner("transport")
    inner = replace(inner, payload=COMPRESSIBLE, options=b"\1\1\1\0")
    wire = encapsulate(sa, inner, 0, b"")
    assert wire.payload[:4] == bytes((inner.protocol, 0, 0x6C, 0x6C))
    assert inflate(wire.payload[4:]) == COMPRESSIBLE
    assert replace(wire, protocol=inner.protocol, payload=COMPRESSIBLE) == inner
    assert decapsulate(sa, wire) == inner


@pytest.mark.parametrize(
    ("payload", "compressed"),
    [
        (bytes(89), False),
        (bytes(90), True),
        (seeded_random(1)(90), False),
        (seeded_random(1)(1400), False),
        (seeded_random(1)(100) + bytes(60), True),
        (seeded_random(1)(78) + bytes(12), False),
        (seeded_random(1)(78) + bytes(13), True),
    ],
    ids=[
        "below the threshold",
        "at it",
        "random",
        "large random",
        "partly random",
        "nothing saved",
        "one octet saved",
    ],
)
def test_nothing_grows(
    payload: bytes, make_sa: MakeSa, make_inner: MakeInner, *, compressed: bool
) -> None:
    """RFC 3173 2.2: where nothing is saved there is no header; RFC 2394 3: nor below 90 octets."""
    sa = make_sa(protocol=108, mode="transport", spi=0x100)
    inner = make_inner("transport", payload)
    wire = encapsulate(sa, inner, 0, b"")
    assert (wire.protocol == 108) is compressed
    assert wire == inner or wire.total_length < inner.total_length


@given(st.binary(max_size=3000) | st.binary(max_size=40).map(lambda piece: piece * 40))
def test_roundtrip_never_grows(make_sa: MakeSa, make_inner: MakeInner, payload: bytes) -> None:
    sa = make_sa(protocol=108, mode="transport", spi=256)
    inner = make_inner("transport", payload)
    wire = encapsulate(sa, inner, 0, b"")
    assert wire.total_length <= inner.total_length
    assert wire == inner or decapsulate(sa, wire) == inner


def stream(plain: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(plain) + compressor.flush()


BAD = {
    "empty": b"",
    "no deflate": b"\xff" * 20,
    "cut": stream(COMPRESSIBLE)[:-1],
    "with zlib's header": zlib.compress(COMPRESSIBLE),
    "octets behind the end": stream(COMPRESSIBLE) + b"\0",
    "larger than any packet": stream(bytes(0x10000)),
    "a bomb": stream(bytes(1 << 24)),
}


@pytest.mark.parametrize("packed", BAD.values(), ids=BAD)
def test_what_does_not_decompress_is_dropped(packed: bytes, make_pair: MakePair) -> None:
    pair = make_pair(IPCOMP, mode="transport")
    wire = Ipv4Packet(ALICE, BOB, 108, b"\xfd\0\x6c\x6c" + packed).build()
    assert pair.reason(wire) is DropReason.IN_COMPRESSION


def test_a_bomb_is_not_unpacked() -> None:
    """Sixteen megabytes of zeros in sixteen kilobytes: no more than a packet is ever held."""
    bomb = stream(bytes(1 << 24))
    tracemalloc.start()
    try:
        assert COMPRESSION["deflate"].decompress(bomb) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_the_largest_packet_decompresses() -> None:
    assert COMPRESSION["deflate"].decompress(stream(bytes(0xFFFF))) == bytes(0xFFFF)


def test_flags_are_ignored(make_pair: MakePair) -> None:
    """RFC 3173 3.3: reserved, zero when sent, ignored when received."""
    pair = make_pair(IPCOMP, mode="transport")
    wire = Ipv4Packet(ALICE, BOB, 108, b"\xfd\xff\x6c\x6c" + stream(COMPRESSIBLE)).build()
    assert pair.received(wire).payload == COMPRESSIBLE


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_uncompressed_packets_pass_within_their_bundle(
    mode: str, make_pair: MakePair, make_inner: MakeInner
) -> None:
    """A peer that never compresses is right too (RFC 3173 2.2); ESP still has to be there."""
    pair, inner = make_pair({"protocol": 50}, IPCOMP, mode=mode), make_inner(mode)
    esp, ipcomp = pair.out.sas
    carried = inner if mode == "transport" else Ipv4Packet(ALICE, BOB, 4, inner.build())
    wire = encapsulate(esp, carried, 1, bytes(16)).build()
    assert pair.received(wire) == inner
    bare = encapsulate(ipcomp, replace(inner, payload=COMPRESSIBLE), 0, b"").build()
    assert pair.reason(bare) is DropReason.IN_SELECTOR


def test_what_is_neither_compressed_nor_tunnelled_is_refused(make_pair: MakePair) -> None:
    pair = make_pair({"protocol": 50}, IPCOMP, mode="tunnel")
    wire = encapsulate(pair.out.sas[0], Ipv4Packet(ALICE, BOB, 253, b"ping"), 1, bytes(16))
    assert pair.reason(wire.build()) is DropReason.IN_MODE


def test_fragments_are_not_compressed(make_pair: MakePair, make_inner: MakeInner) -> None:
    pair = make_pair(IPCOMP, mode="transport")
    event = pair.alice.outbound(replace(make_inner("transport", COMPRESSIBLE), flags=1))
    assert isinstance(event, AuditEvent)
    assert event.reason is DropReason.OUT_MODE


@pytest.mark.parametrize(
    "changes",
    [{"spi": 0}, {"spi": 0x10000}, {"compression": "lzs"}, {"integrity": "sha1"},
     {"encryption_key": b"k"}],
    ids=str,
)  # fmt: skip
def test_impossible_sas_are_refused(changes: dict[str, Any], make_sa: MakeSa) -> None:
    with pytest.raises(ValueError, match=r"IPComp|octets"):
        make_sa(**{"protocol": 108, "spi": 256} | changes)


def test_what_decompresses_to_more_than_a_packet_is_dropped(make_pair: MakePair) -> None:
    """Behind its header transport mode has less room than a tunnel (RFC 791 3.1)."""
    pair = make_pair({}, {"protocol": 108}, mode="transport")
    packed = COMPRESSION["deflate"].compress(bytes(65535))
    payload = bytes.fromhex("11006c6c") + packed
    sent = encapsulate(pair.out.outer, Ipv4Packet(ALICE, BOB, 108, payload), 1, bytes(16))
    assert pair.reason(sent.build()) is DropReason.IN_MODE
