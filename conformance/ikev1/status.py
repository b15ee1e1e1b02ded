"""Status notifies about an SA: lifetimes, replay detection, first contact, connected.

RFC 2407 4.6.3.1 (RESPONDER-LIFETIME), 4.6.3.2 (REPLAY-STATUS), 4.6.3.3 (INITIAL-CONTACT),
RFC 2408 3.1 (CONNECTED).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from conformance.ikev1.attributes import (
    Attribute,
    AttributeTable,
    encode_lifetimes,
    life_durations,
)
from conformance.ikev1.buffer import Reader, Writer
from conformance.ikev1.constants import NotifyType, Protocol
from conformance.ikev1.errors import DecodeError, PeerError
from conformance.ikev1.payloads import Notification

if TYPE_CHECKING:
    from collections.abc import Iterable

_REPLAY_STATUS_SIZE = 4


class Lifetimes(NamedTuple):
    """How long an SA may be used; None without a limit of the kind."""

    seconds: int | None
    kilobytes: int | None

    def shorter(self, other: Lifetimes) -> Lifetimes:
        """Of each kind the lower limit."""
        return Lifetimes(
            _lower(self.seconds, other.seconds), _lower(self.kilobytes, other.kilobytes)
        )


NO_LIMITS = Lifetimes(None, None)
"""An SA that may be used for ever."""


def _lower(one: int | None, other: int | None) -> int | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)


def read_lifetimes(table: AttributeTable, attributes: Iterable[Attribute]) -> Lifetimes:
    """The limits in an attribute list, of each kind the lowest."""
    found = life_durations(table, attributes)
    return Lifetimes(min(found[1], default=None), min(found[2], default=None))


def responder_lifetime(
    table: AttributeTable, protocol: Protocol, spi: bytes, lifetimes: Lifetimes
) -> Notification:
    """What the responder will keep to, as an attribute list."""
    writer = Writer()
    for attribute in encode_lifetimes(table, lifetimes.seconds, lifetimes.kilobytes):
        attribute.write(writer)
    return Notification(NotifyType.RESPONDER_LIFETIME, protocol, spi, writer.data)


def responder_lifetimes(
    table: AttributeTable, notifications: Iterable[Notification], protocol: Protocol
) -> Lifetimes:
    """What the responder said it will keep to about an SA of this protocol; raises PeerError."""
    lifetimes = NO_LIMITS
    for one in notifications:
        if (one.notify_type, one.protocol) == (NotifyType.RESPONDER_LIFETIME, protocol):
            lifetimes = lifetimes.shorter(read_lifetimes(table, _attributes(one)))
    return lifetimes


def _attributes(notification: Notification) -> list[Attribute]:
    reader, attributes = Reader(notification.data), []
    try:
        while reader.remaining:
            attributes.append(Attribute.parse(reader))
    except DecodeError as error:
        reason = f"{notification.notify_type.label}: {error.reason}"
        raise PeerError(NotifyType.PAYLOAD_MALFORMED, reason) from error
    return attributes


def replay_status(protocol: Protocol, spi: bytes, *, enabled: bool) -> Notification:
    """Whether we detect replayed packets on our inbound SA."""
    data = int(enabled).to_bytes(_REPLAY_STATUS_SIZE)
    return Notification(NotifyType.REPLAY_STATUS, protocol, spi, data)


def replay_detection(notifications: Iterable[Notification]) -> bool | None:
    """Whether the peer says to detect replays; None where it says nothing. Raises PeerError."""
    said = [one.data for one in notifications if one.notify_type is NotifyType.REPLAY_STATUS]
    for data in said:
        if len(data) != _REPLAY_STATUS_SIZE or int.from_bytes(data) > 1:
            raise PeerError(NotifyType.PAYLOAD_MALFORMED, f"REPLAY-STATUS {data.hex()}")
    return any(data[-1] for data in said) if said else None


def initial_contact(cookies: bytes) -> Notification:
    """We hold no other SA with the peer."""
    return Notification(NotifyType.INITIAL_CONTACT, spi=cookies)


def connected(protocol: Protocol, spi: bytes) -> Notification:
    """The SA may be used from now on."""
    return Notification(NotifyType.CONNECTED, protocol, spi)
