"""Messages that only look like the peer's: refused, and nothing of them stays (RFC 2409 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance.crypto.dh import GROUPS
from conformance.ikev1 import keys
from conformance.ikev1.constants import ExchangeType, NotifyType
from conformance.ikev1.events import (
    ChildDeleted,
    ChildInstalled,
    ConfigurationReceived,
    GroupAgreed,
    IsakmpEstablished,
    MessageRejected,
)
from conformance.ikev1.message import CipherState, parse_header, parse_message, write_datagram
from conformance.ikev1.policies import ModeConfigPolicy, NewGroupPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

BOTH = ("initiator", "responder")
HANDSHAKE = 6
"""The datagrams of Main Mode, whose last block begins the IVs of phase 2."""
MODP768 = GROUPS["modp768"].parameters


def mode_config(*, gateway: bool) -> dict[str, Any]:
    """Mode Config, pulled."""
    values = (("ip4-address", b"\n\1\0\7" if gateway else b""),)
    return {"mode_config": ModeConfigPolicy(gateway=gateway, push=False, values=values)}


# exchange: what both ends are told, what the initiator does then, who sees which result
CASES: dict[ExchangeType, tuple[dict[str, Any], Callable[[Any], None], str, type[Any]]] = {
    ExchangeType.QUICK_MODE: (
        {},
        lambda end: end.start_quick_mode(0.0),
        "responder",
        ChildInstalled,
    ),
    ExchangeType.INFORMATIONAL: ({}, lambda end: end.terminate(0.0), "responder", ChildDeleted),
    ExchangeType.ACKNOWLEDGED_INFORMATIONAL: (
        {who: {"acknowledged_deletes": True} for who in BOTH},
        lambda end: end.terminate(0.0),
        "responder",
        ChildDeleted,
    ),
    ExchangeType.NEW_GROUP_MODE: (
        {"responder": {"new_groups": NewGroupPolicy(accept=True)}},
        lambda end: end.propose_group(32768, MODP768, 0.0),
        "responder",
        GroupAgreed,
    ),
    ExchangeType.TRANSACTION: (
        {who: mode_config(gateway=who == "responder") for who in BOTH},
        lambda _: None,
        "initiator",
        ConfigurationReceived,
    ),
}


def forged(pair: Any, datagram: bytes) -> bytes:
    """A first message of phase 2 with another HASH(1), and nothing else changed."""
    (phase_1,) = pair.of_initiator(IsakmpEstablished) or take(pair)
    header = parse_header(datagram)
    last = pair.sent[HANDSHAKE - 1][-16:]
    iv = keys.phase2_iv(phase_1.hash, last, header.message_id.to_bytes(4), 16)
    state = CipherState(phase_1.cipher, phase_1.encryption_key, iv)
    message, _ = parse_message(header, datagram, state)
    chain = bytearray(message.chain)
    chain[4] ^= 1
    return write_datagram(header, bytes(chain), state)[0]


def take(pair: Any) -> list[Any]:
    """The ISAKMP SA, whose event the initiator still holds."""
    while (event := pair.initiator.next_event()) is not None:
        pair.initiator_events.append(event)
    return list(pair.of_initiator(IsakmpEstablished))


@pytest.mark.parametrize("exchange", CASES, ids=lambda one: one.name.lower())
def test_a_forged_message_takes_no_message_id_away(
    make_pair: Callable[..., Any], exchange: ExchangeType
) -> None:
    """What has the message ID of the peer's next exchange and another hash changes nothing."""
    overrides, act, who, result = CASES[exchange]
    pair, forgeries = make_pair(**overrides), list[bytes]()
    if exchange is not ExchangeType.TRANSACTION:
        pair.handshake()
        act(pair.initiator)
    else:
        pair.initiator.initiate(0.0)
    results = getattr(pair, f"of_{who}")
    before = len(results(result))

    def forge(_: int, datagram: bytes) -> list[bytes]:
        kind = parse_header(datagram).exchange
        if forgeries and kind is ExchangeType.INFORMATIONAL is not exchange:
            return []  # what the forgery is answered with speaks of the peer's offer as well
        if kind is not exchange or forgeries:
            return [datagram]
        forgeries.append(forged(pair, datagram))
        return [*forgeries, datagram]

    pair.deliver(forge)
    assert len(forgeries) == 1
    assert [one.notify for one in pair.of_responder(MessageRejected)] == [
        NotifyType.INVALID_HASH_INFORMATION
    ]
    assert len(results(result)) == before + 1
