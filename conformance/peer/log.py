"""The peer's log: one line for each event with its time, never a key."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from conformance.errors import UserError
from conformance.ikev1.events import (
    ChildDeleted,
    ChildInstalled,
    ExchangeFailed,
    GroupAgreed,
    IsakmpDeleted,
    IsakmpEstablished,
    MessageReceived,
    MessageRejected,
    MessageSent,
    NotifyReceived,
    NotifySent,
    PeerAuthenticated,
)
from conformance.ipsec.engine import AuditEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conformance.ikev1.events import Event
    from conformance.peer.facts import PeerEvent

_FORMAT = "%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s"


def log_to(path: Path) -> None:
    """Write the log to ``path`` (appending) and to standard output; UserError where it cannot."""
    try:
        file = logging.FileHandler(path)
    except OSError as error:
        raise UserError(f"cannot write the log {path}: {error.strerror}") from error
    logging.getLogger("conformance").setLevel(logging.DEBUG)
    # The root's handlers, so that the event loop's own complaints are kept as well.
    for handler in (file, logging.StreamHandler(sys.stdout)):
        handler.setFormatter(logging.Formatter(_FORMAT, "%Y-%m-%d %H:%M:%S"))
        logging.getLogger().addHandler(handler)


def describe_event(event: Event | PeerEvent) -> str:
    """One event as a line of text, in the RFC's words; keys never appear.

    Whatever a remote could do to a terminal or to a log by what it calls itself is escaped.
    """
    text = _DESCRIBERS.get(type(event), str)(event)
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def describe_drop(event: AuditEvent) -> str:
    """One dropped packet as a line of text."""
    spi = "" if event.spi is None else f" SPI {event.spi:#010x}"
    number = "" if event.sequence is None else f" sequence {event.sequence}"
    detail = f": {event.detail}" if event.detail else ""
    return f"dropped {event.source} > {event.destination}{spi}{number}, {event.reason}{detail}"


def _message(verb: str, event: MessageSent | MessageReceived) -> str:
    again = " again" if event.repeated else ""
    star = "*" if event.encrypted else ""
    payloads = ", ".join(event.payloads)
    exchange = f"{event.exchange.label} {event.message_id:08x}"
    return f"{verb}{again} {exchange}: HDR{star}, {payloads}"


def _notify(verb: str, event: NotifySent | NotifyReceived) -> str:
    way = "protected" if event.protected else "in the clear"
    return f"{verb} notify {event.notify_type.label} {event.protocol.label} ({way})"


def _established(event: IsakmpEstablished) -> str:
    return (
        f"ISAKMP SA established as {event.role.value}: {_cookies(event)} "
        f"{event.cipher} {event.hash} {event.group} {event.auth} {event.lifetime_seconds} s"
    )


def _installed(event: ChildInstalled) -> str:
    return (
        f"SAs installed as {event.role.value}: {event.protocol} {event.mode} "
        f"{event.cipher} {event.integrity} PFS {event.pfs or 'none'} {event.lifetime_seconds} s, "
        f"SPI {event.spi_in:#010x} in, {event.spi_out:#010x} out, "
        f"{event.local_selector} to {event.remote_selector}"
    )


def _cookies(event: IsakmpEstablished | IsakmpDeleted) -> str:
    return f"{event.cookie_i.hex()} {event.cookie_r.hex()}"


def _deleted_by(event: ChildDeleted | IsakmpDeleted) -> str:
    return "by the remote" if event.by_peer else "by us"


def _failed(event: ExchangeFailed) -> str:
    exchange = f"{event.exchange.label} {event.message_id:08x}"
    return f"{exchange} failed: {event.reason}{_divergence(event)}"


def _divergence(event: ExchangeFailed | MessageRejected) -> str:
    return f"; {event.divergence}" if event.divergence else ""


def _authenticated(event: PeerAuthenticated) -> str:
    cookies = f"{event.cookie_i.hex()} {event.cookie_r.hex()}"
    return f"the peer is {event.peer_id}: {cookies} {event.hash} {event.auth}, no SA"


_DESCRIBERS: dict[type, Callable[..., str]] = {
    IsakmpEstablished: _established,
    PeerAuthenticated: _authenticated,
    GroupAgreed: lambda event: f"group {event.number} agreed as {event.role.value}: {event.name}",
    ChildInstalled: _installed,
    ChildDeleted: lambda event: (
        f"SAs deleted {_deleted_by(event)}: {event.protocol} "
        f"SPI {event.spi_in:#010x} in, {event.spi_out:#010x} out"
    ),
    IsakmpDeleted: lambda event: f"ISAKMP SA deleted {_deleted_by(event)}: {_cookies(event)}",
    NotifyReceived: lambda event: _notify("received", event),
    NotifySent: lambda event: _notify("sent", event),
    MessageRejected: lambda event: (
        f"rejected a message with {event.notify.label}: {event.reason}{_divergence(event)}"
    ),
    ExchangeFailed: _failed,
    AuditEvent: describe_drop,
    MessageSent: lambda event: _message("sent", event),
    MessageReceived: lambda event: _message("received", event),
}
