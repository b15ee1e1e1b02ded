"""From a datagram of one ISAKMP SA to its exchange, and what follows when that has ended.

RFC 2408 5, RFC 2409 5. Whatever a datagram holds, nothing is raised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from conformance.ikev1.acknowledged import Acknowledged
from conformance.ikev1.constants import ExchangeType, NotifyType
from conformance.ikev1.errors import DecodeError, PeerError
from conformance.ikev1.events import Role
from conformance.ikev1.fragments import is_fragment
from conformance.ikev1.informational import Informational
from conformance.ikev1.message import parse_header, parse_message
from conformance.ikev1.new_group_mode import NewGroupMode
from conformance.ikev1.payloads import Notification
from conformance.ikev1.quick_mode import QuickMode
from conformance.ikev1.reactions import act_upon
from conformance.ikev1.state_table import State
from conformance.ikev1.transaction import Transaction

if TYPE_CHECKING:
    from conformance.ikev1.association import Association
    from conformance.ikev1.context import Address
    from conformance.ikev1.exchange import Exchange
    from conformance.ikev1.message import Header


def receive(
    association: Association, header: Header, data: bytes, address: Address, now: float
) -> None:
    """Take a datagram with the cookies of an association."""
    if is_fragment(header) and association.context.config.fragmentation:
        _receive_fragment(association, header, data, address, now)
        return
    if _is_stale(association, header, address):
        association.reject(PeerError(NotifyType.INVALID_FLAGS, "on port 500 after the port change"))
        return
    if association.deleted and header.exchange is not ExchangeType.ACKNOWLEDGED_INFORMATIONAL:
        association.reject(PeerError(NotifyType.INVALID_COOKIE, "the ISAKMP SA was deleted"))
        return
    found = association.phase_2.find(header.message_id) or association.phase_1
    before, known = association.rejected, (association.phase_1.address, found.address)
    association.phase_1.address = address
    receivers = _RECEIVERS if association.isakmp_sa else _BEFORE
    receivers.get(header.exchange, _refuse)(association, header, data, now)
    if association.rejected != before:  # it need not be the peer who is there
        association.phase_1.address, found.address = known


def _receive_fragment(
    association: Association, header: Header, data: bytes, address: Address, now: float
) -> None:
    """Take the whole message once all its parts are there; it is no fragment itself."""
    try:
        whole = association.reassembly.take(header, data)
        inner = parse_header(whole) if whole else None
    except DecodeError as error:
        association.reject(PeerError(error.notify, error.reason))
        return
    except PeerError as error:
        association.reject(error)
        return
    if whole is None or inner is None:
        return
    if is_fragment(inner) or inner.cookie_i != header.cookie_i:
        reason = "the fragments make no message of this ISAKMP SA"
        association.reject(PeerError(NotifyType.PAYLOAD_MALFORMED, reason))
        return
    receive(association, inner, whole, address, now)


def _is_stale(association: Association, header: Header, address: Address) -> bool:
    """Whether phase 1 goes on at port 500 after it had left for 4500 (RFC 3947 4)."""
    marked = association.context.marked
    return not header.message_id and association.address in marked and address not in marked


def _receive_phase_1(association: Association, header: Header, data: bytes, now: float) -> None:
    _deliver(association, association.phase_1, header, data, now)
    phase_1 = association.phase_1
    if association.isakmp_sa is None and phase_1.makes_keys and phase_1.state is State.DONE:
        association.establish(now)


def _receive_transaction(association: Association, header: Header, data: bytes, now: float) -> None:
    config, formalities = association.context.config, association.formalities
    if formalities is None or (config.xauth is None and config.mode_config is None):
        _refuse(association, header, data, now)
        return
    exchange = _find(association, Transaction, header)
    if isinstance(exchange, Transaction):
        exchange.answerer = formalities.answer
    before = exchange.state
    _deliver(association, exchange, header, data, now)
    done = exchange.state is State.DONE is not before
    if not done or not isinstance(exchange, Transaction):
        return
    if exchange.role is Role.INITIATOR and exchange.asked and exchange.answered:
        formalities.take(exchange.asked, exchange.answered)
    association.go_on(now)


def _receive_quick_mode(association: Association, header: Header, data: bytes, now: float) -> None:
    if association.formalities is not None and not association.formalities.done:
        reason = "Quick Mode before XAUTH and Mode Config are done"
        association.reject(PeerError(NotifyType.INVALID_EXCHANGE_TYPE, reason))
        return
    exchange = association.phase_2.find(header.message_id)
    if exchange is None:
        exchange = association.new_quick_mode(Role.RESPONDER, header.message_id)
    exchange.address = association.address
    before = exchange.state
    _deliver(association, exchange, header, data, now)
    if not isinstance(exchange, QuickMode):
        return
    if exchange.state is State.DONE is not before:
        association.install(exchange, now)
    association.tell_connected(exchange, now)


def _receive_informational(
    association: Association, header: Header, data: bytes, now: float
) -> None:
    if not header.encrypted:
        _receive_in_the_clear(association, header, data)
        return
    if association.isakmp_sa is None:
        _refuse(association, header, data, now)
        return
    exchange = association.phase_2.find(header.message_id)
    waits = isinstance(exchange, QuickMode) and exchange.peer_commits
    negotiation = exchange if isinstance(exchange, QuickMode) and waits else None
    if exchange is None or negotiation is not None:
        exchange = association.phase_2.new(
            Informational, Role.RESPONDER, header.message_id, remember=negotiation is None
        )
    before = exchange.state
    _deliver(association, exchange, header, data, now)
    if isinstance(exchange, Informational) and before is not exchange.state:
        act_upon(association, exchange, now)
        if negotiation and negotiation.take_connected(exchange.notifications):
            association.install(negotiation, now)


def _receive_acknowledged(
    association: Association, header: Header, data: bytes, now: float
) -> None:
    exchange = _find(association, Acknowledged, header)
    before = exchange.state
    _deliver(association, exchange, header, data, now)
    asked = isinstance(exchange, Acknowledged) and exchange.role is Role.RESPONDER
    if asked and isinstance(exchange, Informational) and exchange.state is not before:
        act_upon(association, exchange, now)
    association.leave(now)


def _receive_new_group(association: Association, header: Header, data: bytes, now: float) -> None:
    exchange = _find(association, NewGroupMode, header)
    before = exchange.state
    _deliver(association, exchange, header, data, now)
    if exchange.state is State.DONE is not before:
        association.go_on(now)


def _find(association: Association, kind: type[Exchange], header: Header) -> Exchange:
    """The exchange of a message; a new one where it begins one."""
    found = association.phase_2.find(header.message_id)
    if found is not None:
        return found
    return association.phase_2.new(kind, Role.RESPONDER, header.message_id)


def _receive_in_the_clear(association: Association, header: Header, data: bytes) -> None:
    """A notify before the ISAKMP SA stands; afterwards nobody may speak in the clear."""
    phase_1 = association.phase_1
    try:
        message, _ = parse_message(header, data)
    except DecodeError as error:
        association.reject(PeerError(error.notify, error.reason))
        return
    phase_1.note_received(header, message, data, repeated=False)
    phase_1.note_notifications(message)
    if association.isakmp_sa is not None:
        reason = "Informational in the clear although the ISAKMP SA stands"
        association.reject(PeerError(NotifyType.INVALID_FLAGS, reason))
        return
    for notification in message.all(Notification):
        phase_1.receive_unprotected_notify(notification)


def _refuse(association: Association, header: Header, data: bytes, now: float) -> None:
    del data, now
    reason = f"{header.exchange.label} is not expected"
    if association.isakmp_sa is None and header.exchange in _RECEIVERS:
        reason += " before the ISAKMP SA stands"
    association.reject(PeerError(NotifyType.INVALID_EXCHANGE_TYPE, reason))


def _deliver(
    association: Association, exchange: Exchange, header: Header, data: bytes, now: float
) -> None:
    try:
        exchange.receive(header, data, now)
    except PeerError as error:
        association.reject(error)
        association.notify(exchange, error, now)
        if error.fatal:
            exchange.fail(error.reason, error.divergence)
    association.phase_2.forget_refused(exchange)


_Receivers = dict[int, Callable[["Association", "Header", bytes, float], None]]
_BEFORE: _Receivers = {
    ExchangeType.MAIN_MODE: _receive_phase_1,
    ExchangeType.AGGRESSIVE: _receive_phase_1,
    ExchangeType.BASE: _receive_phase_1,
    ExchangeType.AUTHENTICATION_ONLY: _receive_phase_1,
    ExchangeType.INFORMATIONAL: _receive_informational,
}
"""What can come before the ISAKMP SA stands."""
_RECEIVERS: _Receivers = {
    **_BEFORE,
    ExchangeType.QUICK_MODE: _receive_quick_mode,
    ExchangeType.TRANSACTION: _receive_transaction,
    ExchangeType.ACKNOWLEDGED_INFORMATIONAL: _receive_acknowledged,
    ExchangeType.NEW_GROUP_MODE: _receive_new_group,
}
