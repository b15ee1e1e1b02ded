"""Dead peer detection: R-U-THERE and its ACK, both roles (RFC 3706).

```
HDR*, HASH(1), N(R-U-THERE)  -->
                             <--  HDR*, HASH(1), N(R-U-THERE-ACK)
```
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from conformance.ikev1.constants import NotifyType, Protocol
from conformance.ikev1.errors import PeerError
from conformance.ikev1.payloads import Notification

if TYPE_CHECKING:
    from conformance.ikev1.policies import DpdPolicy

_SEQUENCE_SIZE = 4
_WINDOW = 64
"""How far behind the newest a peer's sequence number may be; a replayed one is older."""


@dataclass(slots=True)
class DeadPeerDetection:
    """What one end of an ISAKMP SA knows of the other's life."""

    policy: DpdPolicy | None
    """None where we never ask; answered is always."""
    cookies: bytes
    """The SPI of every message."""
    sequence: int
    """Of the next question; the first is random below 2^31 (RFC 3706 6.2)."""
    heard: float
    """When the peer last gave a sign of life."""
    capable: bool
    """Whether the peer sent the Vendor ID, without which nobody may ask (RFC 3706 5.1)."""
    asked: int = 0
    """Questions without an answer."""
    deadline: float = 0.0
    """When the wait for the answer ends."""
    sent_since: bool = False
    """Whether we sent traffic since the last sign of life."""
    peer_sequence: int | None = None
    """The newest sequence number that the peer used."""

    def note_heard(self, now: float) -> None:
        """Traffic from the peer proves it alive as well as an answer does (RFC 3706 5.4)."""
        self.heard, self.asked, self.sent_since = now, 0, False

    def note_sent(self) -> None:
        """We sent traffic, so we are interested in the peer's life (RFC 3706 5.5)."""
        self.sent_since = True

    def get_timer(self) -> float | None:
        """When to ask or to give up; None for never."""
        if self.policy is None or not self.capable:
            return None
        if self.asked:
            return self.deadline
        if self.policy.on_demand and not self.sent_since:
            return None
        return self.heard + self.policy.idle

    def is_dead(self, now: float) -> bool:
        """Whether the last question has gone unanswered for its whole time."""
        policy, due = self.policy, self.get_timer()
        return bool(policy and due is not None and self.asked >= policy.tries and now >= due)

    def question(self, now: float) -> Notification | None:
        """The R-U-THERE that is due, a repetition with its first sequence number; None if none."""
        due = self.get_timer()
        if self.policy is None or due is None or now < due:
            return None
        if not self.asked:
            self.sequence += 1
        self.asked += 1
        self.deadline = now + self.policy.timeout
        data = (self.sequence - 1).to_bytes(_SEQUENCE_SIZE)
        return Notification(NotifyType.R_U_THERE, spi=self.cookies, data=data)

    def answer(self, question: Notification, now: float) -> Notification:
        """The ACK with the same SPI and sequence number; raises PeerError (RFC 3706 5.3, 6)."""
        sequence = self._check(question)
        newest = self.peer_sequence
        if newest is not None and sequence < newest - _WINDOW:
            raise PeerError(
                NotifyType.INVALID_SPI, f"R-U-THERE {sequence} long after {newest}: replayed"
            )
        self.peer_sequence = max(sequence, newest or 0)
        self.note_heard(now)
        return replace(question, notify_type=NotifyType.R_U_THERE_ACK)

    def take_answer(self, answer: Notification, now: float) -> None:
        """Believe an ACK with the sequence number asked for; raises PeerError (RFC 3706 6.1)."""
        sequence = self._check(answer)
        if not self.asked:
            raise PeerError(NotifyType.INVALID_SPI, "R-U-THERE-ACK that nobody asked for")
        if sequence != self.sequence - 1:
            raise PeerError(
                NotifyType.INVALID_SPI,
                f"R-U-THERE-ACK has sequence number {sequence}, asked was {self.sequence - 1}",
            )
        self.note_heard(now)

    def _check(self, notification: Notification) -> int:
        """The sequence number of a well-formed message (RFC 3706 5.3)."""
        label = notification.notify_type.label
        if notification.protocol is not Protocol.ISAKMP:
            raise PeerError(NotifyType.INVALID_PROTOCOL_ID, f"{label} is not about ISAKMP")
        if notification.spi not in {b"", self.cookies}:  # RFC 3706 5.3: SHOULD be the cookies
            raise PeerError(NotifyType.INVALID_SPI, f"{label} names other cookies")
        if len(notification.data) != _SEQUENCE_SIZE:
            size = len(notification.data)
            raise PeerError(NotifyType.PAYLOAD_MALFORMED, f"{label} with {size} octets of data")
        return int.from_bytes(notification.data)
