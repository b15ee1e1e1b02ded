"""Lost, repeated, truncated and changed datagrams: the handshake survives or ends with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.ikev1.config import RetransmitPolicy
from conformance.ikev1.constants import ExchangeType, NotifyType, PayloadType
from conformance.ikev1.errors import LocalError
from conformance.ikev1.events import (
    ChildInstalled,
    ExchangeFailed,
    IsakmpEstablished,
    MessageReceived,
    MessageRejected,
    MessageSent,
)
from conformance.ikev1.keys import phase2_iv
from conformance.ikev1.message import CipherState, Header, write_datagram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MESSAGES = 9
"""Datagrams of an undisturbed handshake."""
PEER = ("10.0.0.1", 500)


def drop(numbers: set[int]) -> Callable[[int, bytes], Iterable[bytes]]:
    """A network that loses the datagrams of these numbers."""
    return lambda number, data: [] if number in numbers else [data]


def assert_one_child(pair: Any) -> None:
    """Both ends installed exactly one and the same child."""
    (mine,), (yours,) = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    assert (mine.spi_in, mine.spi_out) == (yours.spi_out, yours.spi_in)
    assert len(pair.of_initiator(IsakmpEstablished)) == 1
    assert len(pair.of_responder(IsakmpEstablished)) == 1


@pytest.mark.covers("feature:retransmission", by="self")
@pytest.mark.parametrize("lost", range(1, MESSAGES + 1))
def test_one_lost_datagram_is_made_good(make_pair: Callable[..., Any], lost: int) -> None:
    pair = make_pair()
    pair.handshake(drop({lost}))
    pair.pass_time()
    assert_one_child(pair)
    assert any(e.repeated for e in pair.of_initiator(MessageSent) + pair.of_responder(MessageSent))


@given(st.sets(st.integers(1, 24)))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_losses_end_in_one_child_or_a_reason(
    make_pair: Callable[..., Any], lost: set[int]
) -> None:
    """Whatever is lost: never two children, and whoever has none says why."""
    pair = make_pair()
    pair.handshake(drop(lost))
    pair.pass_time(drop(lost))
    for events in (pair.of_initiator, pair.of_responder):
        assert len(events(ChildInstalled)) <= 1
    if not pair.of_initiator(ChildInstalled):
        assert pair.of_initiator(ExchangeFailed)
    if pair.of_initiator(ChildInstalled) and not pair.of_responder(ChildInstalled):
        assert pair.of_responder(ExchangeFailed)


@pytest.mark.covers("feature:retransmission", by="self")
@pytest.mark.parametrize("times", [2, 3])
def test_every_datagram_repeated(make_pair: Callable[..., Any], times: int) -> None:
    """An identical datagram gets the last answer again and changes nothing."""
    pair = make_pair()
    pair.handshake(lambda number, data: [data] * (times if number <= 40 else 1))
    assert_one_child(pair)
    assert any(event.repeated for event in pair.of_responder(MessageReceived))
    assert not pair.of_initiator(MessageRejected)
    assert not pair.of_responder(MessageRejected)


def test_duplicate_gets_the_same_answer(make_pair: Callable[..., Any]) -> None:
    pair = make_pair()
    pair.handshake()
    for number in (1, 3, 5, 7):
        repeat = make_pair()
        repeat.handshake(drop(set(range(number + 1, 99))))
        repeat.responder.datagrams_to_send(0.0)
        repeat.responder.receive_datagram(pair.sent[number - 1], PEER, 0.0)
        assert repeat.responder.datagrams_to_send(0.0) == [(pair.sent[number], PEER)]


def test_old_duplicates_are_not_answered(make_pair: Callable[..., Any]) -> None:
    """Only the last message of an exchange is answered again."""
    pair = make_pair()
    pair.handshake()
    for number in (1, 3, 9):
        pair.responder.receive_datagram(pair.sent[number - 1], PEER, 0.0)
        assert pair.responder.datagrams_to_send(0.0) == []


def test_pauses_grow_until_patience_ends(make_pair: Callable[..., Any]) -> None:
    """1, 2, 4 seconds, then failure; and no timer is left."""
    policy = RetransmitPolicy(timeout=1.0, factor=2.0, tries=3)
    pair = make_pair(initiator={"retransmit": policy})
    pair.initiator.initiate(0.0)
    times = []
    while (timer := pair.initiator.get_timer()) is not None:
        times.append(timer)
        pair.initiator.handle_timer(timer - 0.01)
        pair.initiator.handle_timer(timer)
    assert times == [1.0, 3.0, 7.0]
    assert len(pair.initiator.datagrams_to_send(7.0)) == 3
    pair.deliver()
    (failure,) = pair.of_initiator(ExchangeFailed)
    assert failure.reason == "no valid answer after 3 transmissions"


def test_silence_after_our_proof_is_explained(make_pair: Callable[..., Any]) -> None:
    """Message 5 without an answer: what it most likely means stands in the failure."""
    pair = make_pair()

    def only_the_first_four(number: int, data: bytes) -> list[bytes]:
        return [data] if number < 5 else []

    pair.handshake(only_the_first_four)
    pair.pass_time(only_the_first_four)
    (failure,) = pair.of_initiator(ExchangeFailed)
    assert "another pre-shared key" in failure.reason


def test_failure_names_the_last_rejection(make_pair: Callable[..., Any]) -> None:
    """The responder's patience ends with the reason why MM5 was no use."""
    pair = make_pair(
        initiator={"trust_unprotected_errors": False}, responder={"psk": b"another one"}
    )
    pair.handshake()
    pair.pass_time()
    (failure,) = pair.of_responder(ExchangeFailed)
    assert failure.divergence is not None
    assert "pre-shared key" in failure.divergence.explanation
    assert "the last message was rejected" in failure.reason


@pytest.mark.parametrize("number", range(1, MESSAGES + 1))
def test_every_truncation_is_survived(make_pair: Callable[..., Any], number: int) -> None:
    """Every prefix of a message comes before the message itself: none is taken for it."""

    def prefixes(current: int, data: bytes) -> Iterable[bytes]:
        if current == number:
            yield from (data[:size] for size in range(len(data)))
        yield data

    pair = make_pair()
    pair.handshake(prefixes)
    assert_one_child(pair)
    rejected = pair.of_responder(MessageRejected) + pair.of_initiator(MessageRejected)
    assert len(rejected) == len(pair.sent[number - 1])


@pytest.mark.parametrize("number", range(1, MESSAGES + 1))
def test_every_truncation_with_a_true_length_field_is_survived(
    make_pair: Callable[..., Any], number: int
) -> None:
    """The header's length says what is there, so that the payloads themselves are looked at."""

    def prefixes(current: int, data: bytes) -> Iterable[bytes]:
        if current == number:
            for size in range(28, len(data)):
                yield data[:24] + size.to_bytes(4) + data[28:size]
        yield data

    pair = make_pair(
        initiator={"trust_unprotected_errors": False}, responder={"trust_unprotected_errors": False}
    )
    pair.handshake(prefixes)
    pair.pass_time()
    assert pair.of_responder(MessageRejected) + pair.of_initiator(MessageRejected)
    assert len(pair.of_initiator(ChildInstalled)) <= 1


@pytest.mark.parametrize("number", range(1, MESSAGES + 1))
def test_a_flipped_bit_is_never_accepted_silently(
    make_pair: Callable[..., Any], number: int
) -> None:
    """Any octet of any message: the ends never install children that do not fit together."""
    pair = make_pair()
    pair.handshake()
    size = len(pair.sent[number - 1])
    for index in range(0, size, max(1, size // 40)):

        def flip(current: int, data: bytes, at: int = index) -> Iterable[bytes]:
            if current != number:
                return [data]
            return [data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]]

        changed = make_pair()
        changed.handshake(flip)
        mine = changed.of_initiator(ChildInstalled)
        yours = changed.of_responder(ChildInstalled)
        if mine and yours:
            assert mine[0].encryption_key_in == yours[0].encryption_key_out
            assert mine[0].spi_in == yours[0].spi_out


@pytest.mark.covers("feature:hostile-input", by="self")
@given(data=st.binary(max_size=400), step=st.integers(0, MESSAGES))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_octets_in_any_state_raise_nothing(
    make_pair: Callable[..., Any], data: bytes, step: int
) -> None:
    pair = make_pair()
    pair.handshake(drop(set(range(step + 1, 99))))
    for endpoint in (pair.initiator, pair.responder):
        endpoint.receive_datagram(data, endpoint.remote, 0.0)


HEADERS = st.fixed_dictionaries(
    {
        "first": st.integers(0, 255),
        "exchange": st.sampled_from([1, 2, 4, 5, 6, 32, 33, 200]),
        "flags": st.integers(0, 7),
        "message_id": st.sampled_from([0, 1, 0xFFFFFFFF]),
    }
)


@given(body=st.binary(max_size=200), header=HEADERS, step=st.integers(0, MESSAGES))
@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_payloads_behind_a_good_header_raise_nothing(
    make_pair: Callable[..., Any], body: bytes, header: dict[str, int], step: int
) -> None:
    """The cookies are right, so the octets reach every exchange and every state."""
    pair = make_pair()
    pair.handshake(drop(set(range(step + 1, 99))))
    cookies = pair.sent[min(step, len(pair.sent) - 1)][:16]
    fields = bytes([header["first"], 0x10, header["exchange"], header["flags"]])
    rest = header["message_id"].to_bytes(4) + (28 + len(body)).to_bytes(4) + body
    for cookie_pair in (cookies, cookies[:8] + bytes(8)):
        datagram = cookie_pair + fields + rest
        pair.initiator.receive_datagram(datagram, pair.initiator.remote, 0.0)
        pair.responder.receive_datagram(datagram, PEER, 0.0)
    pair.deliver()
    pair.pass_time()


@pytest.mark.covers("feature:hostile-input", by="self")
@given(chain=st.binary(max_size=120), first=st.sampled_from([0, 1, 5, 8, 11, 12, 200]))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_payloads_under_the_right_key_raise_nothing(
    make_pair: Callable[..., Any], chain: bytes, first: int
) -> None:
    """Encrypted as the peer would, so that parser and state tables see every octet."""
    pair = make_pair()
    pair.handshake()
    (phase1,) = pair.of_initiator(IsakmpEstablished)
    installed = len(pair.of_responder(ChildInstalled))
    for exchange in (ExchangeType.QUICK_MODE, ExchangeType.INFORMATIONAL):
        iv = phase2_iv(phase1.hash, pair.sent[5][-16:], bytes(3) + b"\x07", 16)
        state = CipherState(phase1.cipher, phase1.encryption_key, iv)
        header = Header(
            phase1.cookie_i, phase1.cookie_r, exchange, 7, next_payload=PayloadType(first)
        )
        datagram, _ = write_datagram(header, chain, state)
        pair.responder.receive_datagram(datagram, PEER, 0.0)
    pair.deliver()
    assert len(pair.of_responder(ChildInstalled)) == installed


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "octets wanted"),
        (bytes(27), "octets wanted"),
        (bytes(16) + b"\x00\x20\x02\x00" + bytes(8), "major version 2"),
        (bytes(16) + b"\x00\x10\x02\x00" + bytes(8), "length field says 0"),
        (bytes(16) + b"\x00\x10\x02\x00" + bytes(7) + b"\x1c", "no ISAKMP SA"),
        (b"\1" * 16 + b"\x00\x10\x02\x00" + bytes(7) + b"\x1c", "no ISAKMP SA"),
        (b"\1" * 8 + bytes(8) + b"\x00\x10\x04\x00" + bytes(7) + b"\x1c", "no ISAKMP SA"),
    ],
)
def test_datagrams_without_an_exchange(
    make_pair: Callable[..., Any], data: bytes, reason: str
) -> None:
    """Each is reported, and none is answered."""
    pair = make_pair()
    pair.responder.receive_datagram(data, PEER, 0.0)
    event = pair.responder.next_event()
    assert isinstance(event, MessageRejected)
    assert reason in event.reason
    assert pair.responder.datagrams_to_send(0.0) == []


def test_keepalive_is_ignored_and_a_stranger_rejected(make_pair: Callable[..., Any]) -> None:
    pair = make_pair()
    pair.responder.receive_datagram(b"\xff", PEER, 0.0)
    assert pair.responder.next_event() is None
    pair.initiator.initiate(0.0)
    ((first, _),) = pair.initiator.datagrams_to_send(0.0)
    pair.responder.receive_datagram(first, ("10.0.0.99", 500), 0.0)
    event = pair.responder.next_event()
    assert isinstance(event, MessageRejected)
    assert event.notify is NotifyType.INVALID_COOKIE
    assert "10.0.0.99" in event.reason


def test_a_flood_of_first_messages_is_bounded(make_pair: Callable[..., Any]) -> None:
    """Half-open Main Modes are limited; after their patience a new one is taken again."""
    pair = make_pair()
    pair.initiator.initiate(0.0)
    ((first, _),) = pair.initiator.datagrams_to_send(0.0)
    for number in range(1, 200):
        pair.responder.receive_datagram(number.to_bytes(8) + first[8:], PEER, 0.0)
    assert len(pair.responder.datagrams_to_send(0.0)) == 64
    pair.pass_time(drop(set(range(9999))))
    pair.now = 1000.0
    pair.handshake()
    assert pair.of_responder(ChildInstalled)


def test_quick_mode_needs_an_isakmp_sa(make_pair: Callable[..., Any]) -> None:
    with pytest.raises(LocalError, match="no ISAKMP SA"):
        make_pair().initiator.start_quick_mode(0.0)
