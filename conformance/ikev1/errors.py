"""What can go wrong with a message, with the notify that would answer it (RFC 2408 3.14.1)."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.ikev1.constants import NotifyType


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first value in which a message differs from what it had to be."""

    name: str
    """The value in the RFC's terms: "HASH_R", "encryption algorithm", "IDcr"."""
    expected: str
    got: str
    explanation: str = ""
    """What would make the two equal, or what most likely caused the difference."""

    def __str__(self) -> str:
        text = f"{self.name} differs: expected {self.expected}, got {self.got}"
        return f"{text}; {self.explanation}" if self.explanation else text


class IkeError(Exception):
    """The root of this package's errors."""


class LocalError(IkeError):
    """Our side cannot do what it was asked: a call at the wrong time, a name it does not know."""


class DecodeError(IkeError):
    """Octets that are no message; the codec raises nothing else."""

    def __init__(self, reason: str, notify: NotifyType = NotifyType.PAYLOAD_MALFORMED) -> None:
        super().__init__(reason)
        self.reason = reason
        self.notify = notify
        """What the sender would be told."""


class PeerError(IkeError):
    """A well-formed message that breaks a rule or that policy refuses.

    A fatal one ends its exchange; after any other the exchange still waits for a good message.
    """

    def __init__(
        self,
        notify: NotifyType,
        reason: str,
        divergence: Divergence | None = None,
        *,
        fatal: bool = False,
    ) -> None:
        super().__init__(reason)
        self.notify = notify
        self.reason = reason
        self.divergence = divergence
        self.fatal = fatal
