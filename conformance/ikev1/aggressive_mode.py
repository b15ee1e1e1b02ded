"""Aggressive Mode: keys, identities and proofs in three messages, both roles (RFC 2409 5).

```
HDR, SA, KE, Ni, IDii -->
                      <--  HDR, SA, KE, Nr, IDir, HASH_R
HDR, HASH_I           -->
```
The third message may go under protection of the ISAKMP SA or not; both are taken. The group, and
with it the authentication method, cannot be negotiated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1.constants import ExchangeType, NotifyType
from conformance.ikev1.errors import PeerError
from conformance.ikev1.message import write_body
from conformance.ikev1.payloads import Hash
from conformance.ikev1.phase_1 import Phase1
from conformance.ikev1.state_table import Step

if TYPE_CHECKING:
    from conformance.ikev1.message import Message
    from conformance.ikev1.payloads import Payload


@dataclass(slots=True, kw_only=True)
class AggressiveMode(Phase1):
    """One Aggressive Mode."""

    exchange_type: ClassVar[ExchangeType] = ExchangeType.AGGRESSIVE

    def start(self, now: float) -> None:
        """Send the first message."""
        offer = self.offer()
        self.sa_i, self.committed = write_body(offer), self.proposals[0]
        self.send(Step((offer, *_keys_and_identity(self))), now)


def answer_all(exchange: AggressiveMode, message: Message) -> Step:
    """Responder: choose, take keys and identity, send our own and the proof."""
    chosen = exchange.choose(message)
    if message.all(Hash) and not exchange.method.identity_with_keys:
        raise PeerError(NotifyType.INVALID_PAYLOAD_TYPE, "HASH(1) belongs to public key encryption")
    exchange.method.read_keys(exchange, message)
    exchange.note_identity(message)
    exchange.check_identity()
    payloads = _keys_and_identity(exchange)
    exchange.protect()
    return Step((chosen, *payloads, *exchange.method.write_proof(exchange)))


def confirm(exchange: AggressiveMode, message: Message) -> Step:
    """Initiator: check choice and proof, send our own proof."""
    exchange.check_choice(message)
    exchange.method.read_keys(exchange, message)
    exchange.note_identity(message)
    exchange.protect()
    event = exchange.established(exchange.verify_proof(message))
    protected = exchange.context.config.protect_aggressive_proof
    return Step(exchange.method.write_proof(exchange), events=(event,), protected=protected)


def finish(exchange: AggressiveMode, message: Message) -> Step:
    """Responder: verify the initiator's proof."""
    return Step(events=(exchange.established(exchange.verify_proof(message)),))


def _keys_and_identity(exchange: AggressiveMode) -> tuple[Payload, ...]:
    return (*exchange.method.write_keys(exchange), *exchange.own_identity())
