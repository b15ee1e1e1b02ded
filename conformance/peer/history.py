"""What a connection has seen since it was configured: transcript, events, drops, failures."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, overload

from conformance.ikev1.events import (
    ExchangeFailed,
    MessageReceived,
    MessageRejected,
    MessageSent,
    NotifyReceived,
    NotifySent,
)
from conformance.peer.facts import Fact, event_fact

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ikev1.errors import Divergence
    from conformance.ikev1.events import Event
    from conformance.ipsec.engine import AuditEvent
    from conformance.peer.facts import PeerEvent


MOST = 20_000
"""Entries of each kind that are kept, so that no remote can fill the memory."""


class Entries(Sequence[Fact]):
    """The newest facts of a kind, numbered from the first that there ever was."""

    def __init__(self, most: int = MOST) -> None:
        self._kept: deque[Fact] = deque(maxlen=most)
        self.total = 0
        """How many there ever were."""

    def append(self, fact: Fact) -> None:
        """Keep one more, perhaps in the place of the oldest."""
        self._kept.append(fact)
        self.total += 1

    def since(self, number: int) -> list[Fact]:
        """Those from a number on that are still kept."""
        gone = self.total - len(self._kept)
        return list(self._kept)[max(number - gone, 0) :]

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> Fact: ...

    @overload
    def __getitem__(self, index: slice) -> list[Fact]: ...

    def __getitem__(self, index: int | slice) -> Fact | list[Fact]:
        return list(self._kept)[index]


@dataclass(slots=True)
class History:
    """Facts in the order they happened; times are seconds since the epoch."""

    messages: Entries = field(default_factory=Entries)
    events: Entries = field(default_factory=Entries)
    """All but the messages, each with its name as ``event``."""
    notifies: Entries = field(default_factory=Entries)
    rejections: Entries = field(default_factory=Entries)
    failures: Entries = field(default_factory=Entries)
    drops: Entries = field(default_factory=Entries)

    def note(self, event: Event | PeerEvent, time: float) -> None:
        """Keep what the event tells, in every list where it belongs."""
        if not isinstance(event, MessageSent | MessageReceived):
            self.events.append({"time": time, **event_fact(event)})
        entry = _ENTRIES.get(type(event))
        if entry is not None:
            name, fact = entry
            getattr(self, name).append({"time": time, **fact(event)})

    def note_drop(self, event: AuditEvent, time: float) -> None:
        """Keep a packet that the data plane dropped."""
        self.drops.append(
            {
                "time": time,
                "reason": str(event.reason),
                "detail": event.detail,
                "spi": event.spi,
                "sequence": event.sequence,
            }
        )

    def note_failure(self, reason: str, time: float) -> None:
        """Keep a failure on our own side, after the exchange itself had ended well."""
        self.failures.append({"time": time, "reason": reason, "divergence": None})

    def facts(self) -> Fact:
        """Every kind by its name."""
        return {one.name: list(getattr(self, one.name)) for one in fields(self)}


def divergence_fact(divergence: Divergence | None) -> dict[str, str] | None:
    """A divergence with its four texts, or None."""
    return None if divergence is None else asdict(divergence)


def _message(direction: str) -> Callable[[MessageSent | MessageReceived], Fact]:
    return lambda event: {
        "direction": direction,
        "exchange": event.exchange.label,
        "message_id": event.message_id,
        "cookie_initiator": event.cookie_i.hex(),
        "cookie_responder": event.cookie_r.hex(),
        "encrypted": event.encrypted,
        "repeated": event.repeated,
        "payloads": list(event.payloads),
    }


def _notify(direction: str) -> Callable[[NotifySent | NotifyReceived], Fact]:
    return lambda event: {
        "direction": direction,
        "type": event.notify_type.label,
        "protocol": event.protocol.label,
        "spi": event.spi.hex(),
        "data": event.data.hex(),
        "exchange": event.exchange.label,
        "message_id": event.message_id,
        "protected": event.protected,
    }


def _rejection(event: MessageRejected) -> Fact:
    return {
        "notify": event.notify.label,
        "reason": event.reason,
        "divergence": divergence_fact(event.divergence),
    }


def _failure(event: ExchangeFailed) -> Fact:
    return {
        "exchange": event.exchange.label,
        "message_id": event.message_id,
        "role": event.role.value,
        "reason": event.reason,
        "divergence": divergence_fact(event.divergence),
    }


_ENTRIES: dict[type, tuple[str, Callable[..., Fact]]] = {
    MessageSent: ("messages", _message("sent")),
    MessageReceived: ("messages", _message("received")),
    NotifySent: ("notifies", _notify("sent")),
    NotifyReceived: ("notifies", _notify("received")),
    MessageRejected: ("rejections", _rejection),
    ExchangeFailed: ("failures", _failure),
}
