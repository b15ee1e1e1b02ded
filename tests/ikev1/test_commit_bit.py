"""The commit bit set by the initiator, and by both ends (RFC 2408 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance.ikev1.constants import ExchangeType, NotifyType
from conformance.ikev1.events import (
    ChildInstalled,
    ExchangeFailed,
    MessageRejected,
    MessageSent,
    NotifyReceived,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PEER = ("10.0.0.1", 500)
INITIATOR = {"initiator_commits": True}
RESPONDERS = [None, "informational", "quick-mode"]
"""What the responder does with its own commit bit."""
CONNECTED = 10
"""The datagram that tells the responder, if it does not commit itself."""
COMMIT_FLAG = 2


def committing(make_pair: Callable[..., Any], responder: str | None = None) -> Any:
    """A pair whose initiator commits, and whose responder does so or not."""
    return make_pair(initiator=INITIATOR, responder={"commit": responder})


def assert_one_pair(pair: Any) -> None:
    """Both ends installed the same pair of SAs, once."""
    (mine,), (yours,) = pair.of_initiator(ChildInstalled), pair.of_responder(ChildInstalled)
    assert (mine.spi_in, mine.spi_out) == (yours.spi_out, yours.spi_in)
    assert mine.encryption_key_in == yours.encryption_key_out


@pytest.mark.covers("feature:commit bit", by="self")
@pytest.mark.parametrize("responder", RESPONDERS)
def test_initiator_commits(make_pair: Callable[..., Any], responder: str | None) -> None:
    """The responder installs upon CONNECTED, which has the message ID of the Quick Mode."""
    pair = committing(make_pair, responder)
    pair.handshake()
    assert_one_pair(pair)
    told = {
        (one.notify_type, one.exchange, one.message_id) for one in pair.of_responder(NotifyReceived)
    }
    message_id = pair.of_responder(ChildInstalled)[0].message_id
    assert told == {(NotifyType.CONNECTED, ExchangeType.INFORMATIONAL, message_id)}
    quick = [e for e in pair.of_initiator(MessageSent) if e.exchange is ExchangeType.QUICK_MODE]
    assert all(event.datagram[19] & COMMIT_FLAG for event in quick)
    assert not pair.of_initiator(MessageRejected) + pair.of_responder(MessageRejected)
    assert pair.initiator.get_timer() is pair.responder.get_timer() is None


def test_responder_waits(make_pair: Callable[..., Any]) -> None:
    """Before CONNECTED the initiator alone has the pair; the wait repeats the second message."""
    pair = committing(make_pair)
    pair.handshake(lambda number, data: [data] if number < CONNECTED else [])
    assert pair.of_initiator(ChildInstalled)
    assert not pair.of_responder(ChildInstalled)
    pair.pass_time()
    assert_one_pair(pair)
    assert any(event.repeated for event in pair.of_responder(MessageSent))


@pytest.mark.parametrize("responder", RESPONDERS)
@pytest.mark.parametrize("lost", range(7, 13))
def test_loss_is_made_good(make_pair: Callable[..., Any], responder: str | None, lost: int) -> None:
    pair = committing(make_pair, responder)
    pair.handshake(lambda number, data: [] if number == lost else [data])
    pair.pass_time()
    assert_one_pair(pair)


@pytest.mark.parametrize("responder", RESPONDERS)
def test_repeated_datagrams_change_nothing(
    make_pair: Callable[..., Any], responder: str | None
) -> None:
    pair = committing(make_pair, responder)
    pair.handshake(lambda number, data: [data, data] if number < 16 else [data])
    assert_one_pair(pair)


def test_connected_never_comes(make_pair: Callable[..., Any]) -> None:
    """The wait ends with a reason, not with SAs."""
    pair = committing(make_pair)
    pair.handshake(lambda number, data: [data] if number < CONNECTED else [])
    pair.pass_time(lambda _, __: [])
    assert pair.of_responder(ExchangeFailed)
    assert not pair.of_responder(ChildInstalled)


@pytest.mark.parametrize("change", ["truncated", "flipped"])
def test_damaged_connected(make_pair: Callable[..., Any], change: str) -> None:
    """Only the whole of it installs anything, and it still does so afterwards."""
    pair = committing(make_pair)
    pair.handshake(lambda number, data: [data] if number < CONNECTED else [])
    good = pair.sent[CONNECTED - 1]
    for index in range(28, len(good)):
        flipped = good[:index] + bytes([good[index] ^ 1]) + good[index + 1 :]
        bad = good[:index] if change == "truncated" else flipped
        pair.responder.receive_datagram(bad, PEER, 0.0)
    pair.deliver(lambda _, __: [])
    assert not pair.of_responder(ChildInstalled)
    assert pair.of_responder(MessageRejected)
    pair.responder.receive_datagram(good, PEER, 0.0)
    pair.deliver()
    assert_one_pair(pair)
