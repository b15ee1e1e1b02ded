"""Dead peer detection between two endpoints whose clock, traffic and losses are the test's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.ikev1.config import DpdPolicy
from conformance.ikev1.constants import Doi, NotifyType, Protocol
from conformance.ikev1.dpd import DeadPeerDetection
from conformance.ikev1.errors import PeerError
from conformance.ikev1.events import (
    ChildDeleted,
    ChildInstalled,
    IsakmpDeleted,
    NotifyReceived,
    NotifySent,
    PeerDead,
)
from conformance.ikev1.payloads import Notification

if TYPE_CHECKING:
    from collections.abc import Callable

POLICY = DpdPolicy(idle=10.0, timeout=2.0, tries=3)
COOKIES = bytes(range(16))
ASK, ACK = NotifyType.R_U_THERE, NotifyType.R_U_THERE_ACK


def advance(pair: Any, now: float) -> None:
    """Let the timers of both ends fire at their own times until now; nothing is lost."""
    while True:
        timers = [t for t in (pair.initiator.get_timer(), pair.responder.get_timer()) if t]
        if not timers or min(timers) > now:
            break
        pair.now = min(timers)
        pair.initiator.handle_timer(pair.now)
        pair.responder.handle_timer(pair.now)
        pair.deliver()
    pair.now = now


def questions(pair: Any) -> list[int]:
    """Sequence numbers that the initiator asked with."""
    return [
        int.from_bytes(event.data)
        for event in pair.of_initiator(NotifySent)
        if event.notify_type is ASK
    ]


def both(policy: DpdPolicy = POLICY) -> dict[str, Any]:
    """Both announce DPD, the initiator alone asks soon."""
    return {"initiator": {"dpd": policy}, "responder": {"dpd": replace(policy, idle=1000.0)}}


@pytest.mark.covers("feature:dpd", "notify:36136", "notify:36137", "vid:DPD", by="self")
def test_questions_and_answers(make_pair: Callable[..., Any]) -> None:
    """Each idle period one question, numbers rising by one from below 2^31; each is answered."""
    pair = make_pair(**both())
    pair.handshake()
    advance(pair, 35.0)
    asked = questions(pair)
    assert asked == [asked[0], asked[0] + 1, asked[0] + 2]
    assert asked[0] < 2**31
    answers = [e for e in pair.of_initiator(NotifyReceived) if e.notify_type is ACK]
    assert [int.from_bytes(event.data) for event in answers] == asked
    assert all(event.protected for event in answers)
    assert not pair.of_initiator(PeerDead)


@pytest.mark.parametrize("end", ["initiator", "responder"])
def test_nobody_asks_who_did_not_announce_it(make_pair: Callable[..., Any], end: str) -> None:
    """RFC 3706 5.1: both peers must have sent the Vendor ID."""
    pair = make_pair(**{end: {"dpd": POLICY}})
    pair.handshake()
    advance(pair, 100.0)
    assert questions(pair) == []
    assert not [e for e in pair.of_responder(NotifySent) if e.notify_type is ASK]


def test_traffic_is_proof_enough(make_pair: Callable[..., Any]) -> None:
    """RFC 3706 5.4: no question while packets come in; outbound ones prove nothing."""
    pair = make_pair(**both())
    pair.handshake()
    (child,) = pair.of_initiator(ChildInstalled)
    for now in range(5, 50, 5):
        advance(pair, now)
        pair.initiator.note_traffic(child.spi_in, 100, now)
    assert questions(pair) == []
    pair.initiator.note_traffic(child.spi_out, 100, 50.0)
    advance(pair, 56.0)
    assert len(questions(pair)) == 1


def test_on_demand_asks_only_who_sends(make_pair: Callable[..., Any]) -> None:
    """RFC 3706 5.5: an idle peer's life is only of interest to who wants to send."""
    pair = make_pair(**both(replace(POLICY, on_demand=True)))
    pair.handshake()
    (child,) = pair.of_initiator(ChildInstalled)
    advance(pair, 100.0)
    assert questions(pair) == []
    pair.initiator.note_traffic(child.spi_out, 100, 100.0)
    advance(pair, 101.0)
    assert len(questions(pair)) == 1


@pytest.mark.covers("feature:dpd", by="self")
def test_a_dead_peer_is_given_up(make_pair: Callable[..., Any]) -> None:
    """After the last try: one event, and all that was held with it is gone."""
    pair = make_pair(**both())
    pair.handshake()
    while (due := pair.initiator.get_timer()) is not None:
        pair.initiator.handle_timer(due)
        pair.initiator.datagrams_to_send(due)
        pair.now = due
    pair.deliver()
    (dead,) = pair.of_initiator(PeerDead)
    assert (dead.tries, pair.now) == (POLICY.tries, 10.0 + 3 * 2.0)
    assert len(set(questions(pair))) == 1, "a repeated question keeps its number"
    assert len(questions(pair)) == POLICY.tries
    for cls in (ChildDeleted, IsakmpDeleted):
        (gone,) = pair.of_initiator(cls)
        assert not gone.by_peer
    assert "dead" in str(dead)


def asking() -> DeadPeerDetection:
    """One end that has just asked with the sequence number 7."""
    dpd = DeadPeerDetection(POLICY, COOKIES, sequence=7, heard=0.0, capable=True)
    assert dpd.question(9.9) is None
    question = dpd.question(10.0)
    assert question == Notification(ASK, Protocol.ISAKMP, COOKIES, b"\0\0\0\7", Doi.IPSEC)
    return dpd


# (change to a good message, what is wrong with it)
BAD = [
    ({"spi": COOKIES[::-1]}, "other cookies"),
    ({"spi": COOKIES[:8]}, "other cookies"),
    ({"protocol": Protocol.ESP}, "not about ISAKMP"),
    ({"data": b"\0\0\7"}, "3 octets"),
    ({"data": b""}, "0 octets"),
]


@pytest.mark.parametrize(("change", "reason"), BAD)
@pytest.mark.parametrize("kind", [ASK, ACK])
def test_malformed(change: dict[str, Any], reason: str, kind: NotifyType) -> None:
    dpd = asking()
    good = Notification(kind, spi=COOKIES, data=b"\0\0\0\7")
    take = dpd.answer if kind is ASK else dpd.take_answer
    with pytest.raises(PeerError, match=reason):
        take(replace(good, **change), 11.0)
    assert dpd.asked == 1
    take(good, 11.0)
    assert dpd.asked == 0


@given(st.integers(0, 2**32 - 1).filter(lambda number: number != 7))
def test_answer_with_another_number(number: int) -> None:
    """RFC 3706 6.1: it proves nothing."""
    dpd = asking()
    with pytest.raises(PeerError, match="sequence number"):
        dpd.take_answer(Notification(ACK, spi=COOKIES, data=number.to_bytes(4)), 11.0)
    assert dpd.asked == 1


def test_answer_without_a_question() -> None:
    dpd = DeadPeerDetection(POLICY, COOKIES, 7, 0.0, capable=True)
    with pytest.raises(PeerError, match="nobody asked"):
        dpd.take_answer(Notification(ACK, spi=COOKIES, data=b"\0\0\0\6"), 1.0)


def test_replayed_question() -> None:
    """A number far behind the newest is a replay and no sign of life (RFC 3706 6.2)."""
    dpd = DeadPeerDetection(POLICY, COOKIES, 7, 0.0, capable=True)
    for number in (100, 101, 99):
        answer = dpd.answer(Notification(ASK, spi=COOKIES, data=number.to_bytes(4)), 1.0)
        assert (answer.notify_type, answer.data) == (ACK, number.to_bytes(4))
    with pytest.raises(PeerError, match="replayed"):
        dpd.answer(Notification(ASK, spi=COOKIES, data=(20).to_bytes(4)), 5.0)
    assert dpd.heard == 1.0
