"""Acknowledged Informational: Deletes that are repeated until they are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance.ikev1.constants import ExchangeType
from conformance.ikev1.events import (
    ChildDeleted,
    ExchangeFailed,
    IsakmpDeleted,
    MessageReceived,
    MessageRejected,
    MessageSent,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DELETES = {"acknowledged_deletes": True}
KIND = ExchangeType.ACKNOWLEDGED_INFORMATIONAL
FIRST = 10
"""The first datagram after Main Mode and Quick Mode: the Delete of the child."""


def established(make_pair: Callable[..., Any]) -> Any:
    """A pair whose ends both want answers to their Deletes."""
    pair = make_pair(initiator=DELETES, responder=DELETES)
    pair.handshake()
    return pair


def questions(events: list[MessageSent]) -> list[tuple[str, ...]]:
    """The payloads of what was sent in this exchange, repetitions left out."""
    return [one.payloads for one in events if one.exchange is KIND and not one.repeated]


@pytest.mark.covers("exchange:34", by="self")
@pytest.mark.parametrize("who", ["initiator", "responder"])
def test_deletes_are_answered(make_pair: Callable[..., Any], who: str) -> None:
    """Child and ISAKMP SA: what is said comes back with a nonce, and both ends hold nothing."""
    pair = established(make_pair)
    getattr(pair, who).terminate(pair.now)
    pair.deliver()
    other = pair.of_responder if who == "initiator" else pair.of_initiator
    mine = pair.of_initiator if who == "initiator" else pair.of_responder
    for events in (mine, other):
        assert len(events(ChildDeleted)) == len(events(IsakmpDeleted)) == 1
        assert not events(MessageRejected) + events(ExchangeFailed)
    said, answered = questions(mine(MessageSent)), questions(other(MessageSent))
    assert [one[2:] for one in said] == [one[2:] for one in answered]
    assert [one[0].split()[0] for one in said] == ["HASH", "HASH"]
    assert all(one[1].startswith("NONCE") for one in said + answered)
    assert pair.initiator.get_timer() is pair.responder.get_timer() is None


@pytest.mark.parametrize("lost", [FIRST, FIRST + 1, FIRST + 2])
def test_loss_is_made_good(make_pair: Callable[..., Any], lost: int) -> None:
    """Either Delete or the first answer lost: the Delete is repeated, and acted upon once.

    The ISAKMP SA is not deleted before the child's Delete is answered, which needs it.
    """
    pair = established(make_pair)
    pair.initiator.terminate(pair.now)

    def drop(number: int, data: bytes) -> list[bytes]:
        return [] if number == lost else [data]

    pair.deliver(drop)
    pair.pass_time()
    assert any(one.repeated for one in pair.of_initiator(MessageSent))
    assert len(pair.of_responder(ChildDeleted)) == len(pair.of_responder(IsakmpDeleted)) == 1


def test_silence_ends(make_pair: Callable[..., Any]) -> None:
    """Without an answer the sender gives up in the end, and forgets the ISAKMP SA for good."""
    pair = established(make_pair)
    pair.initiator.terminate(pair.now)
    pair.deliver(lambda _, data: [data] if len(pair.sent) < FIRST else [])
    pair.pass_time(lambda _, data: [] if data else [data])
    failed = pair.of_initiator(ExchangeFailed)
    assert [one.exchange for one in failed] == [KIND, KIND]
    assert pair.initiator.get_timer() is None


def test_question_repeated_is_answered_alike(make_pair: Callable[..., Any]) -> None:
    pair = established(make_pair)
    pair.initiator.terminate(pair.now)
    pair.deliver(lambda number, data: [data, data] if number <= FIRST + 1 else [])
    repeated = [one for one in pair.of_responder(MessageSent) if one.exchange is KIND]
    assert len({one.datagram for one in repeated}) == 1
    assert [one.repeated for one in repeated] == [False, True]
    assert len(pair.of_responder(ChildDeleted)) == 1
    assert any(one.repeated for one in pair.of_initiator(MessageReceived))


@pytest.mark.parametrize("number", [FIRST, FIRST + 1])
@pytest.mark.parametrize("truncated", [False, True])
def test_damage_is_refused(make_pair: Callable[..., Any], number: int, *, truncated: bool) -> None:
    """A damaged question deletes nothing; a damaged answer is none."""
    for index in range(28, 28 + 48, 5):

        def damage(count: int, data: bytes, at: int = index) -> list[bytes]:
            if count != number:
                return [data] if count < number else []
            return [data[:at] if truncated else data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]]

        pair = established(make_pair)
        pair.initiator.terminate(pair.now)
        pair.deliver(damage)
        events = pair.of_responder if number == FIRST else pair.of_initiator
        assert events(MessageRejected)
        assert len(pair.of_responder(ChildDeleted)) == (number != FIRST)
        assert pair.initiator.get_timer() is not None
