"""IKEv1 fragmentation: whole handshakes in small pieces, lost, repeated, shuffled and damaged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.ikev1.config import FragmentationPolicy
from conformance.ikev1.constants import ExchangeType, PayloadType
from conformance.ikev1.errors import LocalError, PeerError
from conformance.ikev1.events import ChildInstalled, IsakmpEstablished, MessageRejected
from conformance.ikev1.fragments import Reassembly, split
from conformance.ikev1.message import Header, parse_header, write_chain, write_datagram
from conformance.ikev1.payloads import Fragment

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = FragmentationPolicy(size=100)


def datagram(size: int, exchange: ExchangeType = ExchangeType.QUICK_MODE) -> bytes:
    """A message of some size, as it may be sent."""
    header = Header(b"\1" * 8, b"\2" * 8, exchange, 77, 1, PayloadType.HASH, length=size)
    data, _ = write_datagram(header, bytes(index % 251 for index in range(size - 28)))
    return data


def feed(reassembly: Reassembly, parts: list[bytes]) -> list[bytes]:
    """Whole messages that come of the parts."""
    results = [reassembly.take(parse_header(part), part) for part in parts]
    return [whole for whole in results if whole is not None]


def both(mine: FragmentationPolicy | None, yours: FragmentationPolicy | None) -> dict[str, Any]:
    """Overrides of both Configs."""
    return {"initiator": {"fragmentation": mine}, "responder": {"fragmentation": yours}}


@pytest.mark.covers("payload:FRAGMENT", "feature:fragmentation", "vid:FRAGMENTATION", by="self")
@pytest.mark.parametrize("flavour", ["cisco", "microsoft"])
@pytest.mark.parametrize("exchange", ["main", "aggressive"])
def test_handshake_in_fragments(make_pair: Callable[..., Any], flavour: str, exchange: str) -> None:
    """All that is larger goes in pieces, once both have sent the Vendor ID."""
    policy = replace(SMALL, flavour=flavour)
    overrides = both(policy, policy)
    for one in overrides.values():
        one["exchange"] = exchange
    pair = make_pair(**overrides)
    pair.handshake()
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(ChildInstalled)) == 1
    assert len(pair.of_initiator(IsakmpEstablished)[0].vendor_ids[0]) == (
        20 if flavour == "cisco" else 16
    )
    pieces = [data for data in pair.sent if data[16] == PayloadType.FRAGMENT]
    assert len(pieces) > 4
    assert max(len(data) for data in pair.sent[2:]) <= policy.size
    assert {data[18] for data in pieces} <= {ExchangeType.MAIN_MODE, ExchangeType.AGGRESSIVE}
    assert all(data[20:24] == bytes(4) for data in pieces)


@pytest.mark.parametrize("overrides", [both(SMALL, None), both(None, SMALL)])
def test_not_to_who_cannot(make_pair: Callable[..., Any], overrides: dict[str, Any]) -> None:
    pair = make_pair(**overrides)
    pair.handshake()
    assert not [data for data in pair.sent if data[16] == PayloadType.FRAGMENT]
    assert len(pair.of_responder(ChildInstalled)) == 1


def test_repetitions_only(make_pair: Callable[..., Any]) -> None:
    """A patient peer sends whole messages first, and fragments what was not answered."""
    policy = replace(SMALL, at_once=False)
    pair = make_pair(**both(policy, policy))
    small = lambda _, data: [data] if len(data) <= 150 else []  # noqa: E731 - a path that drops
    pair.handshake(small)
    pair.pass_time(small)
    assert len(pair.of_initiator(ChildInstalled)) == len(pair.of_responder(ChildInstalled)) == 1


@pytest.mark.covers("feature:fragmentation", by="self")
@given(st.integers(101, 3000), st.randoms())
def test_any_order_and_repetition(size: int, random: Any) -> None:
    """The same message comes of its parts in any order, however often each comes."""
    whole = datagram(size)
    parts = split(whole, 5, SMALL)
    assert all(len(part) <= SMALL.size for part in parts)
    shuffled = parts[:-1] + parts[:-1]
    random.shuffle(shuffled)
    reassembly = Reassembly()
    assert feed(reassembly, [*shuffled, parts[-1]]) == [whole]
    assert reassembly.identifier is None


def test_parts_of_two_messages_do_not_mix() -> None:
    first, second = split(datagram(300), 1, SMALL), split(datagram(400), 2, SMALL)
    assert feed(Reassembly(), first[:-1] + second[:-1] + first[-1:]) == []
    assert feed(Reassembly(), first[:-1] + second) == [datagram(400)]


def test_small_messages_stay_whole() -> None:
    assert split(datagram(100), 1, SMALL) == [datagram(100)]


@pytest.mark.parametrize("size", [36, 37])
def test_no_room(size: int) -> None:
    with pytest.raises(LocalError, match="do not fit"):
        split(datagram(500), 1, FragmentationPolicy(size=size))


def test_every_truncation_of_a_fragment() -> None:
    """Cut short it is refused (its length field disagrees) or says less; it is never the whole."""
    body = write_chain([Fragment(3, 1, last=True, data=b"abc")])
    header = Header(b"\1" * 8, b"\2" * 8, ExchangeType.MAIN_MODE, next_payload=PayloadType.FRAGMENT)
    for size in range(len(body)):
        data, _ = write_datagram(header, body[:size])
        with pytest.raises(PeerError):
            Reassembly().take(parse_header(data), data)


def test_fragment_number_zero() -> None:
    header = Header(b"\1" * 8, b"\2" * 8, ExchangeType.MAIN_MODE, next_payload=PayloadType.FRAGMENT)
    data, _ = write_datagram(header, write_chain([Fragment(3, 0, last=True, data=b"abc")]))
    with pytest.raises(PeerError, match="fragment 0"):
        Reassembly().take(parse_header(data), data)


def test_too_large_a_message() -> None:
    header = Header(b"\1" * 8, b"\2" * 8, ExchangeType.MAIN_MODE, next_payload=PayloadType.FRAGMENT)
    reassembly = Reassembly()
    parts = []
    for number in range(2, 6):
        part = Fragment(1, number, last=False, data=bytes(16384))
        parts.append(write_datagram(header, write_chain([part]))[0])
    assert feed(reassembly, parts) == []
    one_more, _ = write_datagram(header, write_chain([Fragment(1, 9, last=False, data=b"x")]))
    with pytest.raises(PeerError, match="too large"):
        reassembly.take(parse_header(one_more), one_more)
    assert reassembly.identifier is None


def test_fragments_of_fragments(make_pair: Callable[..., Any]) -> None:
    """What comes of fragments is no fragment, so recursion ends at once."""
    pair = make_pair(**both(SMALL, SMALL))
    pair.handshake()
    (sa,) = pair.of_responder(IsakmpEstablished)
    header = Header(
        sa.cookie_i, sa.cookie_r, ExchangeType.MAIN_MODE, next_payload=PayloadType.FRAGMENT
    )
    inner, _ = write_datagram(header, write_chain([Fragment(9, 1, last=True, data=b"abc")]))
    outer, _ = write_datagram(header, write_chain([Fragment(8, 1, last=True, data=inner)]))
    pair.responder.receive_datagram(outer, ("10.0.0.1", 500), 1.0)
    pair.deliver()
    assert "no message" in pair.of_responder(MessageRejected)[-1].reason


@pytest.mark.parametrize("change", ["truncated", "flipped"])
def test_every_damaged_fragment(make_pair: Callable[..., Any], change: str) -> None:
    """No damage to any fragment raises, and the standing SA works afterwards."""
    pair = make_pair(**both(SMALL, SMALL))
    pair.handshake()
    pieces = [data for data in pair.sent if data[16] == PayloadType.FRAGMENT]
    for good in pieces[:3]:
        for at in range(len(good)):
            flipped = bytes(octet ^ (index == at) for index, octet in enumerate(good))
            bad = good[:at] if change == "truncated" else flipped
            pair.responder.receive_datagram(bad, ("10.0.0.1", 500), 1.0)
    pair.deliver()
    pair.initiator.start_quick_mode(2.0)
    pair.deliver()
    assert len(pair.of_responder(ChildInstalled)) == 2
