"""One message that waits for its answer and is sent again with growing pauses (RFC 2408 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.ikev1.config import RetransmitPolicy


@dataclass(slots=True)
class Retransmission:
    """The pauses between transmissions; the first transmission is its owner's."""

    policy: RetransmitPolicy
    deadline: float
    """When the current pause ends, on the caller's clock in seconds."""
    sent: int = 1
    """Transmissions so far."""

    @classmethod
    def started(cls, policy: RetransmitPolicy, now: float) -> Retransmission:
        """The first pause begins now."""
        return cls(policy, now + policy.timeout)

    @property
    def exhausted(self) -> bool:
        """Whether the pause that runs is the last."""
        return self.sent >= self.policy.tries

    def repeat(self, now: float) -> None:
        """Count a repetition and begin the next pause."""
        self.deadline = now + self.policy.timeout * self.policy.factor**self.sent
        self.sent += 1
