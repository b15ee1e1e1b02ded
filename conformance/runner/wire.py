"""What the dissected messages of a cell tell: its notifies, its Delete, its ladder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from conformance.ikev1.constants import ExchangeType
from conformance.ikev1.describe import describe_payload
from conformance.record.records import WireNotify
from conformance.record.transcript import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.runner.dissect import WireMessage

NAMES = {
    ExchangeType.MAIN_MODE: "Main Mode",
    ExchangeType.AGGRESSIVE: "Aggressive Mode",
    ExchangeType.QUICK_MODE: "Quick Mode",
    ExchangeType.INFORMATIONAL: "Informational",
}
SOURCES = {
    ExchangeType.MAIN_MODE: "RFC 2409 5.4",
    ExchangeType.AGGRESSIVE: "RFC 2409 5.4",
    ExchangeType.QUICK_MODE: "RFC 2409 5.5",
    ExchangeType.INFORMATIONAL: "RFC 2409 5.7",
}


def wire_notifies(messages: Iterable[WireMessage]) -> tuple[WireNotify, ...]:
    """Every Notify payload that could be read, in order."""
    return tuple(
        WireNotify(
            source=message.source,
            exchange=message.header.exchange.label.lower(),
            name=notification.notify_type.label,
            protected=message.header.encrypted,
        )
        for message in messages
        for notification in message.notifications
    )


def deletes_seen(messages: Iterable[WireMessage]) -> bool | None:
    """Whether a Delete payload was read; None where encrypted messages could not be opened."""
    messages = list(messages)
    if any(message.deletes for message in messages):
        return True
    closed = any(message.header.encrypted and not message.message for message in messages)
    return None if closed else False


def rungs(messages: Sequence[WireMessage], initiator: str) -> list[Message]:
    """The ladder's rungs; ``initiator`` is the initiator's address."""
    start = messages[0].time if messages else 0.0
    places: dict[tuple[int, int], int] = {}
    return [_rung(message, start, initiator, places) for message in messages]


def _rung(
    message: WireMessage, start: float, initiator: str, places: dict[tuple[int, int], int]
) -> Message:
    header = message.header
    exchange = (header.exchange, header.message_id)
    if not message.retransmission:
        places[exchange] = places.get(exchange, 0) + 1
    place = " again" if message.retransmission else f" {places[exchange]}"
    sender: Literal["initiator", "responder"] = (
        "initiator" if message.source == initiator else "responder"
    )
    return Message(
        seconds=message.time - start,
        sender=sender,
        exchange=NAMES.get(header.exchange, header.exchange.label) + place,
        payloads=_notation(message),
        details=_details(message),
        requirement=SOURCES.get(header.exchange, ""),
    )


def _notation(message: WireMessage) -> list[str]:
    first = "HDR*" if message.header.encrypted else "HDR"
    if message.message is None:
        return [first]
    return [first, *(payload.payload_type.label for payload in message.message.payloads)]


def _details(message: WireMessage) -> list[str]:
    if message.message is not None:
        return [describe_payload(payload) for payload in message.message.payloads]
    if message.retransmission:
        return ["the same datagram as before"]
    return [f"not opened: {message.trouble}"]
