"""The Acknowledged Informational exchange: a Delete or Notify with an answer.

draft-ietf-ipsec-ike-01 5.7; its number 34 is in that draft's Appendix A alone.

```
HDR*, HASH(1), Ni, N/D  -->
                        <--  HDR*, HASH(2), Nr, N/D

HASH(1) = prf(SKEYID_a, M-ID | Ni | N/D)
HASH(2) = prf(SKEYID_a, M-ID | Ni_b | Nr | N/D)
```
The question is repeated until it is answered. We take the N/D of the answer to be that of the
question, returned: a receiver acts upon the question alone. After the Delete of an ISAKMP SA its
receiver holds nothing that could repeat the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1.constants import ExchangeType, NotifyType
from conformance.ikev1.errors import PeerError
from conformance.ikev1.informational import Informational
from conformance.ikev1.key_exchange import peer_nonce
from conformance.ikev1.payloads import Delete, Nonce, Notification
from conformance.ikev1.state_table import Step

if TYPE_CHECKING:
    from conformance.ikev1.events import MessageSent
    from conformance.ikev1.message import Message
    from conformance.ikev1.payloads import Payload


@dataclass(slots=True, kw_only=True)
class Acknowledged(Informational):
    """One question and its answer."""

    exchange_type: ClassVar[ExchangeType] = ExchangeType.ACKNOWLEDGED_INFORMATIONAL
    nonce_i: bytes = b""
    said: tuple[Payload, ...] = ()
    """What the question says."""

    def start(self, payload: Payload, now: float) -> MessageSent:
        """Send the question; it is repeated until the answer comes."""
        self.nonce_i, self.said = self.draw_nonce(), (payload,)
        return self.send(Step((Nonce(self.nonce_i), payload), self.hash_1, protected=True), now)

    def draw_nonce(self) -> bytes:
        """A nonce of the configured size."""
        return self.context.random(self.context.config.nonce_size)

    def hash_2(self, message: bytes) -> bytes:
        """HASH(2) over what follows it."""
        return self.hash_with_nonce(self.message_id.to_bytes(4), self.nonce_i, message)


def _said(message: Message) -> tuple[Payload, ...]:
    return tuple(one for one in message.payloads if isinstance(one, (Delete, Notification)))


def answer(exchange: Acknowledged, message: Message) -> Step:
    """Responder: verify HASH(1), hand the payloads over and return them."""
    exchange.verify_hash(message)
    exchange.nonce_i, exchange.said = peer_nonce(message), _said(message)
    if not exchange.said:
        raise PeerError(NotifyType.PAYLOAD_MALFORMED, "nothing is said")
    exchange.note(message)
    payloads = (Nonce(exchange.draw_nonce()), *exchange.said)
    return Step(payloads, exchange.hash_2, protected=True)


def confirm(exchange: Acknowledged, message: Message) -> Step:
    """Initiator: verify HASH(2), and that what we said came back."""
    exchange.verify_hash(message, "HASH(2)", exchange.nonce_i)
    peer_nonce(message)
    if _said(message) != exchange.said:
        raise PeerError(NotifyType.PAYLOAD_MALFORMED, "the answer is one to something else")
    return Step()
