"""Events as facts ready for JSON: their names and fields, never a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

from conformance.ikev1.config import Identification
from conformance.ikev1.constants import ExchangeType, NotifyType, Protocol
from conformance.ikev1.errors import Divergence
from conformance.ikev1.payloads import Notification
from conformance.ipsec.engine import AuditEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.ikev1.events import Event

Fact = dict[str, Any]
"""One entry, ready for JSON."""


@dataclass(frozen=True, slots=True)
class KeepaliveSent:
    """A NAT keepalive left us (RFC 3948 2.3)."""

    address: tuple[str, int]

    def __str__(self) -> str:
        return f"keepalive to {_port(self.address)}"


@dataclass(frozen=True, slots=True)
class KeepaliveReceived:
    """A NAT keepalive reached us."""

    address: tuple[str, int]

    def __str__(self) -> str:
        return f"keepalive from {_port(self.address)}"


@dataclass(frozen=True, slots=True)
class FragmentSent:
    """A part of a large IKE message left us."""

    address: tuple[str, int]
    octets: int

    def __str__(self) -> str:
        return f"fragment of {self.octets} octets to {_port(self.address)}"


@dataclass(frozen=True, slots=True)
class FragmentReceived:
    """A part of a large IKE message reached us."""

    address: tuple[str, int]
    octets: int

    def __str__(self) -> str:
        return f"fragment of {self.octets} octets from {_port(self.address)}"


@dataclass(frozen=True, slots=True)
class MappingChanged:
    """Authenticated packets of the peer come from another port or address (RFC 3947 5)."""

    before: tuple[str, int]
    now: tuple[str, int]

    def __str__(self) -> str:
        return f"the peer moved from {_port(self.before)} to {_port(self.now)}"


@dataclass(frozen=True, slots=True)
class TrafficTrapped:
    """A packet that is to be protected found no SA, and begins a negotiation (RFC 4301 5.1)."""

    source: str
    destination: str
    protocol: int

    def __str__(self) -> str:
        return f"{self.source} > {self.destination} protocol {self.protocol} asks for an SA"


PeerEvent = (
    KeepaliveSent
    | KeepaliveReceived
    | FragmentSent
    | FragmentReceived
    | MappingChanged
    | TrafficTrapped
    | AuditEvent
)
"""What the runtime itself sees, beside the endpoint's events."""


def _port(address: tuple[str, int]) -> str:
    return f"{address[0]} port {address[1]}"


def event_fact(event: Event | PeerEvent) -> Fact:
    """The event's name as ``event`` and its fields; those that no repr shows are left out."""
    return {"event": type(event).__name__, **_fields(event)}


def _fields(value: Any) -> Fact:
    return {one.name: _plain(getattr(value, one.name)) for one in fields(value) if one.repr}


def _plain(value: Any) -> Any:
    if type(value) in _FORMS:
        return _FORMS[type(value)](value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    if is_dataclass(value):
        return _fields(value)
    return value


_FORMS: dict[type, Callable[[Any], Any]] = {
    bytes: bytes.hex,
    IPv4Address: str,
    IPv6Address: str,
    Identification: str,
    ExchangeType: lambda value: value.label,
    NotifyType: lambda value: value.label,
    Protocol: lambda value: value.label,
    Divergence: _fields,
    Notification: _fields,
}
