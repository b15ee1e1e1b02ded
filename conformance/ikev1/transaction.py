"""The Transaction exchange under an ISAKMP SA (draft-dukes-ike-mode-cfg-02 3.1.1).

```
HDR*, HASH, ATTR  -->
                  <--  HDR*, HASH, ATTR
```
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1.constants import ConfigurationType, ExchangeType, NotifyType
from conformance.ikev1.errors import Divergence, LocalError, PeerError
from conformance.ikev1.informational import Informational
from conformance.ikev1.payloads import Configuration
from conformance.ikev1.state_table import Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ikev1.message import Header, Message

ANSWERS = {
    ConfigurationType.REQUEST: ConfigurationType.REPLY,
    ConfigurationType.SET: ConfigurationType.ACK,
}
"""What answers what (draft-dukes-ike-mode-cfg-02 3.3)."""


@dataclass(slots=True, kw_only=True)
class Transaction(Informational):
    """One question and its answer; both have the same hash as an Informational."""

    exchange_type: ClassVar[ExchangeType] = ExchangeType.TRANSACTION
    asked: Configuration | None = None
    answered: Configuration | None = None
    answerer: Callable[[Configuration], Configuration] | None = None
    """Responder: gives the answer to what is asked; may raise PeerError."""

    def ask(self, question: Configuration, now: float) -> None:
        """Send the first message."""
        self.asked = question
        self.send(Step((question,), self.hash_1, protected=True), now)

    def _explain_surplus(self, header: Header) -> Divergence | None:
        return Divergence(
            "message ID",
            "one of its own for each Transaction exchange",
            f"{header.message_id:#010x} once more",
            "draft-dukes-ike-mode-cfg-02 3.1.1",
        )


def answer(exchange: Transaction, message: Message) -> Step:
    """Responder: verify the hash and answer."""
    exchange.verify_hash(message)
    asked = message.one(Configuration)
    if asked.type not in ANSWERS or exchange.answerer is None:
        raise PeerError(NotifyType.PAYLOAD_MALFORMED, f"{asked.type.label} begins a Transaction")
    answered = replace(
        exchange.answerer(asked), type=ANSWERS[asked.type], identifier=asked.identifier
    )
    exchange.asked, exchange.answered = asked, answered
    return Step((answered,), exchange.hash_1, protected=True)


def take(exchange: Transaction, message: Message) -> Step:
    """Initiator: verify the hash, and that this answers what we asked."""
    exchange.verify_hash(message)
    if exchange.asked is None:
        raise LocalError("nothing was asked")
    answered, expected = message.one(Configuration), ANSWERS[exchange.asked.type]
    if answered.type != expected:
        raise PeerError(
            NotifyType.PAYLOAD_MALFORMED, f"{answered.type.label}, expected is {expected.label}"
        )
    if answered.identifier != exchange.asked.identifier:
        raise PeerError(NotifyType.PAYLOAD_MALFORMED, f"identifier {answered.identifier}")
    exchange.answered = answered
    return Step()
