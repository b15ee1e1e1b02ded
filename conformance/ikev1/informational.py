"""Informational exchanges: Delete and Notify, authenticated by HASH(1) (RFC 2409 5.7).

```
HDR*, HASH(1), N/D  -->
```
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from conformance.ikev1 import diagnose, keys
from conformance.ikev1.constants import ExchangeType
from conformance.ikev1.errors import LocalError
from conformance.ikev1.exchange import Exchange
from conformance.ikev1.payloads import Delete, Hash, Notification
from conformance.ikev1.state_table import Step

if TYPE_CHECKING:
    from conformance.ikev1.events import MessageSent
    from conformance.ikev1.isakmp_sa import IsakmpSa
    from conformance.ikev1.message import Message
    from conformance.ikev1.payloads import Payload


@dataclass(slots=True, kw_only=True)
class Informational(Exchange):
    """One message in one direction; without an ISAKMP SA it goes in the clear."""

    exchange_type: ClassVar[ExchangeType] = ExchangeType.INFORMATIONAL
    isakmp_sa: IsakmpSa | None = None
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

    def hash_1(self, message: bytes) -> bytes:
        """HASH(1) over what follows it."""
        return self._hash(self.message_id.to_bytes(4), b"", message)

    def verify_hash(self, message: Message) -> None:
        """Check HASH(1); raises PeerError."""
        message_id, covered = self.message_id.to_bytes(4), message.after_first
        variants = diagnose.phase_2_variants(self._hash, message_id, b"", covered, message.padding)
        diagnose.check_hash("HASH(1)", self.hash_1(covered), message.one(Hash).data, variants)

    def _hash(self, message_id: bytes, nonce: bytes, message: bytes) -> bytes:
        if self.isakmp_sa is None:
            raise LocalError("no ISAKMP SA, no HASH(1)")
        sa = self.isakmp_sa
        return keys.hash_2(sa.hash_name, sa.skeyid_a, message_id, nonce, message)


def take(exchange: Informational, message: Message) -> Step:
    """Verify HASH(1) and hand the payloads over."""
    exchange.verify_hash(message)
    exchange.deletes += message.all(Delete)
    exchange.notifications += message.all(Notification)
    return Step()
