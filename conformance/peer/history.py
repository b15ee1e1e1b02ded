"""What a connection has seen since it was configured: transcript, events, drops, failures."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from conformance.ikev1.events import (
    ExchangeFailed,
    MessageReceived,
    MessageRejected,
    MessageSent,
    NotifyReceived,
    NotifySent,
)
from conformance.peer.facts import event_fact

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ikev1.errors import Divergence
    from conformance.ikev1.events import Event
    from conformance.ipsec.engine import AuditEvent
    from conformance.peer.facts import Fact, PeerEvent


@dataclass(slots=True)
class History:
    """Lists of facts in the order they happened; times are seconds since the epoch."""

    messages: list[Fact] = field(default_factory=list)
    events: list[Fact] = field(default_factory=list)
    """All but the messages, each with its name as ``event``."""
    notifies: list[Fact] = field(default_factory=list)
    rejections: list[Fact] = field(default_factory=list)
    failures: list[Fact] = field(default_factory=list)
    drops: list[Fact] = field(default_factory=list)

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
        """Every list by its name."""
        return asdict(self)


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
