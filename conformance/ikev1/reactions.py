"""What follows from the Delete and Notify payloads of a peer (RFC 2408 3.14 and 3.15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.ikev1.constants import NotifyType, Protocol
from conformance.ikev1.errors import PeerError
from conformance.ikev1.new_group_mode import NewGroupMode
from conformance.ikev1.quick_mode import QuickMode
from conformance.ikev1.state_table import ENDED

if TYPE_CHECKING:
    from conformance.ikev1.association import Association
    from conformance.ikev1.informational import Informational
    from conformance.ikev1.payloads import Notification


def act_upon(association: Association, exchange: Informational, now: float) -> None:
    """Do what a verified Informational says."""
    for delete in exchange.deletes:
        for spi in delete.spis:
            _deleted_by_peer(association, delete.protocol, spi)
    for notification in exchange.notifications:
        try:
            association.capabilities.take_status([notification])
            _act_upon_notification(association, notification, now)
        except PeerError as error:
            association.reject(error)


def _act_upon_notification(
    association: Association, notification: Notification, now: float
) -> None:
    dpd = association.dpd
    if dpd and notification.notify_type is NotifyType.R_U_THERE:
        association.inform(dpd.answer(notification, now), now)
    elif dpd and notification.notify_type is NotifyType.R_U_THERE_ACK:
        dpd.take_answer(notification, now)
    elif notification.notify_type.is_error:
        _peer_refused(association, notification)


def _deleted_by_peer(association: Association, protocol: Protocol, spi: bytes) -> None:
    if protocol is Protocol.ISAKMP:
        if spi == association.cookies and not association.deleted:
            association.forget_isakmp(by_peer=True)
        return
    context = association.context
    for child in list(context.children.values()):
        if child.is_about(protocol, int.from_bytes(spi)):
            context.forget_child(child, by_peer=True)


def _peer_refused(association: Association, notification: Notification) -> None:
    """Fail the negotiation that an error speaks of: by SPI, else the only one under way."""
    pending = [
        exchange
        for exchange in association.phase_2
        if isinstance(exchange, (QuickMode, NewGroupMode)) and exchange.state not in ENDED
    ]
    named = [one for one in pending if one.is_about(notification.spi)]
    for exchange in named or (pending if len(pending) == 1 else []):
        exchange.fail(f"the peer answered {notification.notify_type.label}")
