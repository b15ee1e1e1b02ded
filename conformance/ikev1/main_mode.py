"""Main Mode: identity protection in six messages, both roles (RFC 2409 5).

```
HDR, SA             -->
                    <--  HDR, SA
HDR, KE, Ni         -->
                    <--  HDR, KE, Nr
HDR*, IDii, HASH_I  -->
                    <--  HDR*, IDir, HASH_R
```
With signatures a SIG stands for the HASH; with public key encryption the ID travels with the
nonce. What differs is the authentication method's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1.constants import ExchangeType
from conformance.ikev1.message import write_body
from conformance.ikev1.phase_1 import Phase1
from conformance.ikev1.state_table import Step

if TYPE_CHECKING:
    from conformance.ikev1.message import Message
    from conformance.ikev1.payloads import Payload


@dataclass(slots=True, kw_only=True)
class MainMode(Phase1):
    """One Main Mode."""

    exchange_type: ClassVar[ExchangeType] = ExchangeType.MAIN_MODE

    def start(self, now: float) -> None:
        """Send the first message."""
        offer = self.offer()
        self.sa_i = write_body(offer)
        self.send(Step((offer,)), now)


def answer_sa(exchange: MainMode, message: Message) -> Step:
    """Responder: choose a transform and a cookie."""
    exchange.note_requests(message)
    return Step((exchange.choose(message),))


def send_key_exchange(exchange: MainMode, message: Message) -> Step:
    """Initiator: check the choice, send KE and Ni."""
    exchange.note_requests(message)
    exchange.check_choice(message)
    return Step(exchange.method.write_keys(exchange))


def answer_key_exchange(exchange: MainMode, message: Message) -> Step:
    """Responder: take KE and Ni, send our own, derive the keys."""
    exchange.method.read_keys(exchange, message)
    payloads = exchange.method.write_keys(exchange)
    exchange.protect()
    return Step(payloads)


def send_proof(exchange: MainMode, message: Message) -> Step:
    """Initiator: take KE and Nr, derive the keys, send IDii and HASH_I or SIG_I."""
    exchange.method.read_keys(exchange, message)
    exchange.protect()
    return Step(_own_proof(exchange), protected=True)


def answer_proof(exchange: MainMode, message: Message) -> Step:
    """Responder: verify the initiator's proof, send IDir and HASH_R or SIG_R."""
    exchange.note_identity(message)
    event = exchange.established(exchange.verify_proof(message))
    return Step(_own_proof(exchange), events=(event,), protected=True)


def finish(exchange: MainMode, message: Message) -> Step:
    """Initiator: verify the responder's proof."""
    exchange.note_identity(message)
    return Step(events=(exchange.established(exchange.verify_proof(message)),))


def _own_proof(exchange: MainMode) -> tuple[Payload, ...]:
    return (*exchange.own_identity(), *exchange.method.write_proof(exchange))
