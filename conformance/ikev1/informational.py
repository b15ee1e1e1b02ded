"""Informational exchanges: Delete and Notify, authenticated by HASH(1) (RFC 2409 5.7).

```
HDR*, HASH(1), N/D  -->
```
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1.constants import ExchangeType
from conformance.ikev1.hashed import Hashed
from conformance.ikev1.payloads import Delete, Notification
from conformance.ikev1.state_table import Step

if TYPE_CHECKING:
    from conformance.ikev1.events import MessageSent
    from conformance.ikev1.message import Message
    from conformance.ikev1.payloads import Payload


@dataclass(slots=True, kw_only=True)
class Informational(Hashed):
    """One message in one direction; without an ISAKMP SA it goes in the clear."""

    exchange_type: ClassVar[ExchangeType] = ExchangeType.INFORMATIONAL
    deletes: list[Delete] = field(default_factory=list)
    """Verified Delete payloads, for the association to act upon."""
    notifications: list[Notification] = field(default_factory=list)
    """Verified Notify payloads, for the association to act upon."""

    def start(self, payload: Payload, now: float) -> MessageSent:
        """Send the one message, protected if there is an ISAKMP SA."""
        protected = self.isakmp_sa is not None
        return self.send(
            Step((payload,), self.hash_1 if protected else None, protected=protected), now
        )

    def note(self, message: Message) -> None:
        """Hand verified payloads over."""
        self.deletes += message.all(Delete)
        self.notifications += message.all(Notification)


def take(exchange: Informational, message: Message) -> Step:
    """Verify HASH(1) and hand the payloads over."""
    exchange.verify_hash(message)
    exchange.note(message)
    return Step()
